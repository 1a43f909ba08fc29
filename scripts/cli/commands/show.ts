import { defineCommand } from '../command.ts';
import { storeOption } from './store-option.ts';

export const show = defineCommand({
  usage: 'show <run>',
  summary:
    'Show one run, evaluation or judging in full: settings, judges or verdicts, funnel, what each stage took, where everything is.',
  json: 'all of it as one object',
  positionals: {
    run: { type: 'string', demandOption: true, describe: 'The run, evaluation or judging by name.' },
  },
  options: storeOption,
  examples: [['$0 show embedded', 'Show the run "embedded"']],
  run: async (args) => (await import('../../runs/show-run.ts')).showRun(args),
});
