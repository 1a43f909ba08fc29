import { defineCommand } from '../command.ts';
import { STORE } from '../../../src/worker-options.ts';

export const show = defineCommand({
  usage: 'show <run>',
  summary:
    'Show one run, evaluation or judging in full: settings, judges or verdicts, funnel, what each stage took, where everything is.',
  json: 'all of it as one object',
  positionals: {
    run: {
      type: 'string',
      demandOption: true,
      completes: 'runs',
      describe: 'The run, evaluation or judging by name.',
    },
  },
  options: { store: { type: 'string', ...STORE } },
  examples: [['$0 show embedded', 'Show the run "embedded"']],
  run: async (args) => (await import('../../runs/show-run.ts')).showRun(args),
});
