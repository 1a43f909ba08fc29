import type { Command } from '../command.ts';
import { compare } from './compare.ts';
import { exportRun } from './export.ts';
import { follow } from './follow.ts';
import { gc } from './gc.ts';
import { runs } from './runs.ts';
import { show } from './show.ts';

/** In the order of the help. */
export const COMMANDS: readonly Command[] = [follow, runs, show, compare, exportRun, gc];
