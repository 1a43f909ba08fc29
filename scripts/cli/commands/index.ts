import type { Command } from '../command.ts';
import { follow } from './follow.ts';
import { plan } from './plan.ts';

/** In the order of the help. */
export const COMMANDS: readonly Command[] = [plan, follow];
