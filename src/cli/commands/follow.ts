import { defineCommand } from '../core/define-command.ts';

export const follow = defineCommand({
  usage: 'follow [run]',
  summary: 'Show the progress of a run until it ends. Ctrl-C ends only the display.',
  json: 'each change of the progress as a line of JSON',
  positionals: {
    run: {
      type: 'string',
      completes: 'runs',
      describe: 'The name of the run, evaluation or judging.',
    },
  },
  examples: [['$0 follow embedded', 'Follow the run "embedded"']],
  run: async ({ run, json }) => (await import('../follow/follow.ts')).follow(run, json),
});
