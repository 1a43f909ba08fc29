import { resolve } from 'node:path';
import { STORE, TASK_QUEUE } from '../../../src/worker-options.ts';
import { defineCommand } from '../command.ts';

export const doctor = defineCommand({
  usage: 'doctor [configuration]',
  summary: 'Say what is installed, reachable and missing for a run, and how to mend each.',
  details:
    'Node, the Temporal CLI, Python and the trainer, GPU, disk and ports; the Temporal server, the namespace, its search attributes and the ' +
    'workers of each role; the Hugging Face hub. With a configuration also its fields, files, endpoints and commands, as this machine sees ' +
    'them. Changes nothing and installs nothing. ✗ is missing and ends with the exit code 1; ! is good to know.',
  json: 'ok, and every finding (subject, what, status: ok, missing or note, found, mend)',
  positionals: {
    configuration: {
      type: 'string',
      describe: 'The file of the run, evaluation or judging that is to be started.',
    },
  },
  options: {
    'task-queue': { type: 'string', ...TASK_QUEUE },
    store: { type: 'string', ...STORE },
  },
  examples: [
    ['$0 doctor', 'Before the first run'],
    ['$0 doctor temporal/inputs/single-gpu-8b-lora.json', 'Before this one'],
  ],
  run: async ({ configuration, 'task-queue': taskQueue, store, json }) => {
    const examination = await import('../../doctor/doctor.ts');
    return examination.doctor({ configuration, taskQueue, storeRoot: resolve(store) }, json);
  },
});
