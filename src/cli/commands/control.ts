import { quantity } from '../../platform/quantity.ts';
import { defineCommand } from '../core/define-command.ts';

/** The output of these commands with `--json`. */
const STATE_JSON =
  'the state of the run afterwards (runName, status, paused, requestedIterations, stopAfter, budget)';

const run = {
  run: { type: 'string', demandOption: true, completes: 'runs', describe: 'The name of the run.' },
} as const;

export const pause = defineCommand({
  usage: 'pause <run>',
  summary:
    'Pause a run or a judging: current shards are completed, a training stops with a checkpoint, and nothing new begins.',
  details:
    'Model servers keep running. The command returns when the pause has taken effect, which needs a worker.',
  json: STATE_JSON,
  positionals: run,
  options: {
    reason: {
      type: 'string',
      describe: "The reason, shown with the run's progress; at most 500 characters.",
    },
  },
  examples: [['$0 pause embedded --reason "the GPU is needed"', 'Pause it until "resume"']],
  run: async ({ run: name, reason, json }) =>
    (await import('../control/control-run.ts')).controlRun(
      name,
      {
        appliesTo: 'runs and judgings',
        send: (handle) => handle.pause(reason === undefined ? {} : { reason }),
        confirmation: ({ runName, paused }) =>
          paused === undefined
            ? `${runName} was resumed already.`
            : `${runName} is paused: ${paused.reason}.`,
      },
      json,
    ),
});

export const resume = defineCommand({
  usage: 'resume <run>',
  summary: 'Resume a paused run or judging.',
  json: STATE_JSON,
  positionals: run,
  examples: [['$0 resume embedded', 'Continue where it was paused']],
  run: async ({ run: name, json }) =>
    (await import('../control/control-run.ts')).controlRun(
      name,
      {
        appliesTo: 'runs and judgings',
        send: (handle) => handle.resume(),
        confirmation: ({ runName }) => `${runName} continues.`,
      },
      json,
    ),
});

export const setIterations = defineCommand({
  usage: 'set-iterations <run> <iterations>',
  summary: 'Change the number of iterations of a run.',
  json: STATE_JSON,
  positionals: {
    ...run,
    iterations: {
      type: 'number',
      demandOption: true,
      describe: 'The total; at least the current iteration.',
    },
  },
  examples: [['$0 set-iterations embedded 5', 'Five iterations in total']],
  run: async ({ run: name, iterations, json }) =>
    (await import('../control/control-run.ts')).controlRun(
      name,
      {
        appliesTo: 'runs',
        send: (handle) => handle.setIterations(iterations),
        confirmation: ({ runName, requestedIterations }) =>
          `${runName} will do ${quantity(requestedIterations, 'iteration')} in total.`,
      },
      json,
    ),
});

export const stopAfter = defineCommand({
  usage: 'stop-after <run> [iteration]',
  summary: 'End a run with its result after an iteration, before its configured number of iterations.',
  json: STATE_JSON,
  positionals: {
    ...run,
    iteration: { type: 'number', describe: 'The number of the iteration; the current one by default.' },
  },
  examples: [['$0 stop-after embedded', 'End it after the current iteration']],
  run: async ({ run: name, iteration, json }) =>
    (await import('../control/control-run.ts')).controlRun(
      name,
      {
        appliesTo: 'runs',
        send: (handle) => handle.stopAfterIteration(iteration),
        confirmation: ({ runName, stopAfter: last }) => `${runName} will end after iteration ${last}.`,
      },
      json,
    ),
});

const budgetOptionOf = (what: string) => ({ type: 'string', describe: `${what}, or "none".` }) as const;

export const setBudget = defineCommand({
  usage: 'set-budget <run>',
  summary: 'Change the budget of a run; a run that paused because its budget was used up continues.',
  details:
    'Limits that are not given stay unchanged. A limit below the current usage is rejected, and so is a limit in USD if the configuration ' +
    'has no price. A run that was paused by "pause" stays paused until "resume".',
  json: STATE_JSON,
  positionals: run,
  options: {
    tokens: budgetOptionOf('Tokens of prompts and answers together'),
    requests: budgetOptionOf('Requests to models'),
    usd: budgetOptionOf('US dollars by the prices of the configuration'),
    'gpu-hours': budgetOptionOf('GPU hours of fine-tuning'),
  },
  examples: [['$0 set-budget embedded --tokens 80000000 --usd none', 'Allow 80 million tokens at any cost']],
  run: async ({ run: name, tokens, requests, usd, 'gpu-hours': gpuHours, json }) => {
    const { budgetControlRequest } = await import('../control/set-budget.ts');
    const request = budgetControlRequest({ tokens, requests, usd, gpuHours });
    return (await import('../control/control-run.ts')).controlRun(name, request, json);
  },
});

export const cancel = defineCommand({
  usage: 'cancel <run>',
  summary:
    'Cancel a run, an evaluation or a judging; a training saves a checkpoint, and a later start under the same name continues from there.',
  json: 'that it is being cancelled',
  positionals: run,
  examples: [['$0 cancel embedded', 'Cancel the run "embedded"']],
  run: async ({ run: name, json }) => (await import('../control/control-run.ts')).cancel(name, json),
});
