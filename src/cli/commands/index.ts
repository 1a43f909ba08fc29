import type { Command } from '../core/define-command.ts';
import { agreement } from './agreement.ts';
import { biases } from './biases.ts';
import { codecServer } from './codec-server.ts';
import { compare } from './compare.ts';
import { demo } from './demo.ts';
import { doctor } from './doctor.ts';
import { exportRun } from './export.ts';
import { follow } from './follow.ts';
import { gc } from './gc.ts';
import { judge } from './judge.ts';
import { plan } from './plan.ts';
import { prompts } from './prompts.ts';
import { runs } from './runs.ts';
import { setup } from './setup.ts';
import { show } from './show.ts';
import { start } from './start.ts';
import { cancel, pause, resume, setBudget, setIterations, stopAfter } from './control.ts';
import { temporal } from './temporal.ts';
import { worker } from './worker.ts';

/** The commands by group, in the order of the help and of docs/cli.md. */
export const COMMAND_GROUPS: readonly { readonly title: string; readonly commands: readonly Command[] }[] = [
  { title: 'Try it', commands: [demo, doctor, setup] },
  { title: 'Serve', commands: [temporal, worker, codecServer] },
  {
    title: 'Run',
    commands: [prompts, plan, start, follow, pause, resume, setIterations, stopAfter, setBudget, cancel],
  },
  { title: 'Use the results', commands: [runs, show, compare, judge, agreement, biases, exportRun, gc] },
];

export const COMMANDS: readonly Command[] = COMMAND_GROUPS.flatMap(({ commands }) => commands);
