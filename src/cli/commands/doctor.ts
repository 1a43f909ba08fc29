import { POLICY, STORE, TASK_QUEUE } from '../../worker/options.ts';
import { defineCommand } from '../core/define-command.ts';

export const doctor = defineCommand({
  usage: 'doctor [configuration]',
  summary: 'Check what is installed, reachable and missing for a run, and say how to fix it.',
  details:
    'Checks Node, the Temporal CLI, Python and the trainer, GPU, disk and ports; the Temporal server, the namespace, its search attributes and the ' +
    'workers of each role, and the policy that a worker on this machine would have; the Hugging Face hub. With a configuration file it also checks ' +
    'on this machine the fields, files, endpoints and commands, and whether the policy allows them. Changes nothing and installs nothing. ✗ marks what is missing, with exit code 1; ! marks information.',
  json: 'ok, and all findings (subject, check, status: ok, missing or note, detail, fix)',
  positionals: {
    configuration: {
      type: 'string',
      describe: 'The configuration file of a run, evaluation or judging.',
    },
  },
  options: {
    'task-queue': { type: 'string', ...TASK_QUEUE },
    store: { type: 'string', ...STORE },
    policy: { type: 'string', ...POLICY },
  },
  examples: [
    ['$0 doctor', 'Before the first run'],
    ['$0 doctor temporal/inputs/single-gpu-8b-lora.json', 'Before starting this configuration'],
  ],
  run: async ({ configuration, 'task-queue': taskQueue, store, policy, json }) => {
    const module = await import('../doctor/doctor.ts');
    return module.doctor({ configuration, taskQueue, storeRoot: store, policy }, json);
  },
});
