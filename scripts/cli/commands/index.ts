import type { Command } from '../command.ts';
import { follow } from './follow.ts';
import { judge } from './judge.ts';

/** In the order of the help. */
export const COMMANDS: readonly Command[] = [follow, judge];
