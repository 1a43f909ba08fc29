import { defineCommand } from '../core/define-command.ts';

export const prompts = defineCommand({
  usage: 'prompts <action> <folder>',
  summary:
    'Fill prompt folders with the official prompts of benchmarks, from your own clones of their repositories.',
  details:
    'Reads RewardBench 1 and 2, JudgeBench, LLMBar, EvalBiasBench, ReasoningJudgeBench, MT-Bench (FastChat) and the self-taught evaluator (RAM), runs none of their code, and downloads nothing.',
  json: 'the written folders with their repository, commit and files as one object',
  positionals: {
    action: { type: 'string', demandOption: true, choices: ['import'], describe: 'What to do: import.' },
    folder: {
      type: 'string',
      demandOption: true,
      describe: 'A clone of an official repository, or a folder with several.',
    },
  },
  options: {
    out: {
      type: 'string',
      default: 'official-prompts',
      describe: 'The folder for the prompts, with a subfolder for each benchmark.',
    },
  },
  examples: [
    ['$0 prompts import ~/clones', 'Import the prompts of all clones in a folder to official-prompts'],
    ['$0 prompts import ~/clones/JudgeBench --out my-prompts', 'Import those of one clone to another folder'],
  ],
  run: async ({ folder, out, json }) =>
    (await import('../prompts/import-prompts.ts')).importPrompts({ clones: folder, out, json }),
});
