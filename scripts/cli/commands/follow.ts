import { defineCommand } from '../command.ts';

export const follow = defineCommand({
  usage: 'follow [run]',
  summary: 'Show how a run on any server goes, until it ends; it goes on without anybody who follows it.',
  json: 'each change of the progress as a line of JSON, and nothing else',
  positionals: {
    run: {
      type: 'string',
      completes: 'runs',
      describe: 'The run, evaluation or judging by name; by default the one that is under way.',
    },
  },
  examples: [['$0 follow embedded', 'Follow the run "embedded"']],
  run: async ({ run, json }) => (await import('../../follow/follow.ts')).follow(run, json),
});
