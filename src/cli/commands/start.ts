import { TASK_QUEUE } from '../../worker/options.ts';
import { defineCommand } from '../core/define-command.ts';

export const start = defineCommand({
  usage: 'start <configuration>',
  summary:
    'Start a run, an evaluation without training, or a judging of a file of pairs from a configuration file.',
  details:
    'The fields are checked first, with every invalid field by its path; the workers then check files, endpoints and other workers ' +
    '("follow" shows the outcome). If a run with this name and an equivalent configuration is open, nothing is started; with a different ' +
    'configuration the start is rejected with the fields that differ. An ended run continues from what is in the store.',
  json: 'what was started and where (runName, kind: run, evaluation or judging, started, address, namespace), with --follow what "follow --json" prints',
  positionals: {
    configuration: {
      type: 'string',
      demandOption: true,
      describe: 'The configuration file; temporal/inputs has examples.',
    },
  },
  options: {
    'task-queue': { type: 'string', ...TASK_QUEUE },
    follow: { type: 'boolean', default: false, describe: 'Show the progress until it ends.' },
  },
  examples: [
    ['$0 start temporal/inputs/embedded.json', 'Start the embedded example and return'],
    ['$0 start temporal/inputs/evaluate-embedded.json --follow', 'Evaluate a judge and wait for the result'],
    ['$0 start temporal/inputs/judge-pairs.json', 'Judge the pairs of a file'],
  ],
  run: async ({ configuration: file, 'task-queue': taskQueue, follow, json }) =>
    (await import('../start/start.ts')).start({ file, taskQueue, follow }, json),
});
