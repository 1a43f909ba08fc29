import { TASK_QUEUE } from '../../../src/worker-options.ts';
import { defineCommand } from '../command.ts';

export const start = defineCommand({
  usage: 'start <configuration>',
  summary:
    'Start a run, an evaluation without training, or the judging of a file of pairs, from a configuration file on any Temporal.',
  details:
    'The fields are checked here, all mistakes at once and by path, before the server is asked; files, endpoints and workers are checked by ' +
    'the workers within seconds ("follow" shows it). A name is started once: where it is under way with the same meaning nothing happens, with ' +
    'another one it is refused with the fields that differ. A run that has ended goes on from what is in the store.',
  json: 'what was started and where (runName, kind: run, evaluation or judging, started, address, namespace), with --follow what "follow --json" prints',
  positionals: {
    configuration: { type: 'string', demandOption: true, describe: 'The file, as in temporal/inputs.' },
  },
  options: {
    'task-queue': { type: 'string', ...TASK_QUEUE },
    follow: { type: 'boolean', default: false, describe: 'Show how it goes, until it ends.' },
  },
  examples: [
    ['$0 start temporal/inputs/embedded.json', 'Start the embedded example and come back'],
    ['$0 start temporal/inputs/evaluate-embedded.json --follow', 'Evaluate a judge, and end as it ends'],
    ['$0 start temporal/inputs/judge-pairs.json', 'Let a judge compare the pairs of a file'],
  ],
  run: async ({ configuration: file, 'task-queue': taskQueue, follow, json }) =>
    (await import('../../start/start.ts')).start({ file, taskQueue, follow }, json),
});
