/**
 * Serves models as jobs of Slurm. For the supervisor the server is a process of this machine, the relay (slurm-relay.ts), which
 * keeps the job and forwards requests to its node; so it is monitored, replaced and shared as any other server is.
 */
import { z } from 'zod';
import { pickedTemplate } from '../../../platform/command-template.ts';
import { moduleFile } from '../../../platform/package-root.ts';
import { positiveNumber } from '../../../platform/schema-fields.ts';
import { runSlurm } from '../../../platform/slurm.ts';
import { sbatchOptions, slurmOptionFields } from '../../../platform/slurm-options.ts';
import { hideKey, keyInSettings } from './server-key.ts';
import { commandFields, missingKeyProblems } from './command.ts';
import {
  defineMachineDriver,
  fixedModelProblems,
  placeholderProblems,
  servedModelNameProblems,
} from './driver.ts';
import { serverEnvironment } from './server-environment.ts';
import { NODE_HOST, NODE_PORT } from './slurm-job-script.ts';
import { SERVER_PLACEHOLDERS, serverSpec } from './server-spec.ts';

const configuration = z
  .strictObject({
    kind: z
      .literal('slurm')
      .describe(
        'A job of Slurm, which a worker with the role `gpu` submits, and to which it forwards requests.',
      ),
    ...commandFields,
    command: commandFields.command.describe(
      'Program and arguments of the server, as with the kind `command`; `{host}` is the address of the node, and `{port}` a port there.',
    ),
    ...slurmOptionFields,
    time: slurmOptionFields.time.describe(
      'The time limit of one job, such as `12:00:00`. A server that reaches it is started again in a next job.',
    ),
    queueTimeoutSeconds: positiveNumber
      .default(86_400)
      .describe('The time that a job may wait in the queue, before `startTimeoutSeconds` begins.'),
    stopWhileTraining: z
      .boolean()
      .default(true)
      .describe('End the job while the run trains, so that the training can have its nodes.'),
  })
  .describe('A job of Slurm that serves a checkpoint.');

export const slurmDriver = defineMachineDriver({
  configuration,
  noun: 'a job of Slurm',
  needsMachine: true,
  describe: (settings) => `a job of Slurm: ${hideKey(settings.command.join(' '), settings)}`,

  problems(path, { command }) {
    if (pickedTemplate(command) !== undefined) return [];
    if (command.some((argument) => argument.includes('{port}'))) return [];
    const message = 'does not contain {port}: the server must listen at the port that its job gives it';
    return [{ path: `${path}.command`, message }];
  },

  trainedJudgeProblems: fixedModelProblems,

  async check({ path, settings, environment }) {
    const unknown = [
      ...settings.command.flatMap((argument, index) =>
        placeholderProblems(`${path}.command.${index}`, argument, SERVER_PLACEHOLDERS),
      ),
      ...servedModelNameProblems(path, settings),
      ...missingKeyProblems(path, settings, environment),
    ];
    if (unknown.length > 0) return unknown;
    try {
      await runSlurm(
        ['sbatch', '--test-only', ...sbatchOptions(settings), '--wrap=true'],
        serverEnvironment(environment, { isRelay: true }),
      );
      return [];
    } catch (error) {
      return [{ path, message: (error as Error).message }];
    }
  },

  server(settings, values) {
    const { command, queueTimeoutSeconds, startTimeoutSeconds } = settings;
    // The relay listens at the supervisor's address, and the server at one of its node's.
    const atNode = command.map((argument) =>
      argument.replaceAll('{host}', NODE_HOST).replaceAll('{port}', NODE_PORT),
    );
    const relay = [process.execPath, moduleFile('models/serving/drivers/slurm-relay'), '{host}', '{port}'];
    return serverSpec(
      {
        ...settings,
        isRelay: true,
        command: [
          ...relay,
          ...['{storeRoot}', String(startTimeoutSeconds), ...sbatchOptions(settings), '--', ...atNode],
        ],
        startTimeoutSeconds: queueTimeoutSeconds + startTimeoutSeconds,
      },
      values,
    );
  },

  usesPython: ({ command }) => command.some((argument) => argument.includes('{python}')),
  key: keyInSettings,
  gpus: () => 0,
  stopsWhileTraining: ({ stopWhileTraining }) => stopWhileTraining,
});
