import { defineCommand } from '../core/define-command.ts';
import { STORE } from '../../worker/options.ts';

export const show = defineCommand({
  usage: 'show <run>',
  summary:
    'Show one run, evaluation or judging: settings, judges or verdicts, funnel, usage of each stage, files.',
  json: 'the same as one object',
  positionals: {
    run: {
      type: 'string',
      demandOption: true,
      completes: 'runs',
      describe: 'The name of the run, evaluation or judging.',
    },
  },
  options: { store: { type: 'string', ...STORE } },
  examples: [['$0 show embedded', 'Show the run "embedded"']],
  run: async (args) => (await import('../runs/show-run.ts')).showRun(args),
});
