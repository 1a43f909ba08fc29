import { defineCommand } from '../command.ts';

/** What every order prints with `--json`. */
const NOW = 'where the run is afterwards (runName, phase, paused, iterations, stopAfter, budget)';

const run = {
  run: { type: 'string', demandOption: true, completes: 'runs', describe: 'The run by name.' },
} as const;

export const pause = defineCommand({
  usage: 'pause <run>',
  summary:
    'Pause a run, or the judging of a file: shards in flight end, a training stops with a checkpoint, nothing new begins.',
  details: 'Model servers stay up. Answered when it is in force, which takes a worker.',
  json: NOW,
  positionals: run,
  options: {
    reason: {
      type: 'string',
      describe: "Shown wherever the run's progress is; at most 500 characters.",
    },
  },
  examples: [['$0 pause embedded --reason "the GPU is needed"', 'Until "resume"']],
  run: async ({ run: name, reason, json }) =>
    (await import('../../steer/steer.ts')).steer(
      name,
      {
        takenBy: 'runs and judgings',
        tell: (it) => it.pause(reason === undefined ? {} : { reason }),
        done: ({ runName, paused }) => `${runName} is paused: ${paused?.reason ?? 'and goes on already'}.`,
      },
      json,
    ),
});

export const resume = defineCommand({
  usage: 'resume <run>',
  summary: 'Let a paused run, or a paused judging, go on.',
  json: NOW,
  positionals: run,
  examples: [['$0 resume embedded', 'It goes on where it was']],
  run: async ({ run: name, json }) =>
    (await import('../../steer/steer.ts')).steer(
      name,
      {
        takenBy: 'runs and judgings',
        tell: (it) => it.resume(),
        done: ({ runName }) => `${runName} goes on.`,
      },
      json,
    ),
});

export const setIterations = defineCommand({
  usage: 'set-iterations <run> <iterations>',
  summary: 'Set how many iterations a run does in all, more or fewer than it was started with.',
  json: NOW,
  positionals: {
    ...run,
    iterations: {
      type: 'number',
      demandOption: true,
      describe: 'In all; not fewer than are done or under way.',
    },
  },
  examples: [['$0 set-iterations embedded 5', 'Five rounds of fine-tuning in all']],
  run: async ({ run: name, iterations, json }) =>
    (await import('../../steer/steer.ts')).steer(
      name,
      {
        takenBy: 'runs',
        tell: (it) => it.setIterations(iterations),
        done: ({ runName, iterations: now }) => `${runName} does ${now} iterations in all.`,
      },
      json,
    ),
});

export const stopAfter = defineCommand({
  usage: 'stop-after <run> [iteration]',
  summary: 'Let a run end with its result after an iteration, though more were asked for.',
  json: NOW,
  positionals: {
    ...run,
    iteration: { type: 'number', describe: 'Its number; the one that is under way by default.' },
  },
  examples: [['$0 stop-after embedded', 'It ends after the iteration that is under way']],
  run: async ({ run: name, iteration, json }) =>
    (await import('../../steer/steer.ts')).steer(
      name,
      {
        takenBy: 'runs',
        tell: (it) => it.stopAfterIteration(iteration),
        done: ({ runName, stopAfter: now }) => `${runName} ends after iteration ${now}.`,
      },
      json,
    ),
});

const amount = (what: string) => ({ type: 'string', describe: `${what}, or "none".` }) as const;

export const setBudget = defineCommand({
  usage: 'set-budget <run>',
  summary: 'Change what a run may spend; one that has paused because its budget is spent goes on.',
  details:
    'What is left out stays. Refused below what is spent already, and in USD where the configuration lacks a price. A run that a person has ' +
    'paused stays so until "resume".',
  json: NOW,
  positionals: run,
  options: {
    tokens: amount('Tokens of prompts and answers together'),
    requests: amount('Requests to models'),
    usd: amount('US dollars by the prices of the configuration'),
    'gpu-hours': amount('GPU hours of fine-tuning'),
  },
  examples: [
    ['$0 set-budget embedded --tokens 80000000 --usd none', 'Up to 80 million tokens, whatever they cost'],
  ],
  run: async ({ run: name, tokens, requests, usd, 'gpu-hours': gpuHours, json }) => {
    const { budgetOrder } = await import('../../steer/set-budget.ts');
    const order = budgetOrder({ tokens, requests, usd, gpuHours });
    return (await import('../../steer/steer.ts')).steer(name, order, json);
  },
});

export const cancel = defineCommand({
  usage: 'cancel <run>',
  summary:
    'Stop a run, an evaluation or a judging; a training saves a checkpoint, and a later start under its name goes on from there.',
  json: 'that it was told to stop',
  positionals: run,
  examples: [['$0 cancel embedded', 'It ends as cancelled']],
  run: async ({ run: name, json }) => (await import('../../steer/steer.ts')).cancel(name, json),
});
