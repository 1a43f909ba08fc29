import type { PromptTemplate } from '../../method/prompt-template.ts';
import { isObject } from '../../platform/is-object.ts';
import {
  fromChatMl,
  fromJinja,
  fromPythonFormat,
  type PlaceholderNames,
  UnexpectedPrompt,
  withoutPlaceholders,
} from './official-template.ts';
import { pythonString } from './python-strings.ts';

/** A prompt as it is imported, with the message after a text without a verdict if the official script sends one. */
export interface ImportedPrompt extends PromptTemplate {
  readonly followUp?: string;
}

/** A prompt of an official repository: its place there, and the prompt folder that it fills. */
export interface OfficialPrompt {
  /** The folder below that of all imported prompts; its first part is named as the benchmark's format. */
  readonly folder: string;
  /** The files that it is read from. */
  readonly files: readonly [string, ...string[]];
  /**
   * Reads it from the contents of the files.
   * @throws UnexpectedPrompt if they have another form than expected
   */
  readonly read: (...contents: string[]) => ImportedPrompt;
}

interface OfficialRepository {
  readonly name: string;
  readonly prompts: readonly OfficialPrompt[];
}

const LETTERS = { question: 'instruction', answer_a: 'responseA', answer_b: 'responseB' };
const ARENA = { prompt: 'instruction', answer_a: 'responseA', answer_b: 'responseB' };
const RATED = { prompt: 'instruction', completion: 'response' };
const OUTPUTS = { input: 'instruction', output_1: 'responseA', output_2: 'responseB' };
const RESPONSES = { question: 'instruction', response_a: 'responseA', response_b: 'responseB' };
const TURNS = {
  question_1: 'questionOne',
  question_2: 'questionTwo',
  answer_a_1: 'answerAOne',
  answer_b_1: 'answerBOne',
  answer_a_2: 'answerATwo',
  answer_b_2: 'answerBTwo',
};
const REFERENCES = { ref_answer_1: 'referenceOne', ref_answer_2: 'referenceTwo' };

/** The official repositories whose prompts can be imported. Only places are named here; the texts come from the user's clone. */
export const OFFICIAL_REPOSITORIES: readonly OfficialRepository[] = [
  {
    name: 'allenai/reward-bench',
    prompts: [
      {
        folder: 'reward-bench',
        files: ['rewardbench/generative.py'],
        read: (source) => ranked(source, LETTERS),
      },
      {
        folder: 'reward-bench-2/ranking',
        files: ['rewardbench/generative_v2.py'],
        read: (source) => ranked(source, { ...LETTERS, answer_c: 'responseC', answer_d: 'responseD' }),
      },
      {
        folder: 'reward-bench-2/rating',
        files: ['rewardbench/generative_v2.py'],
        read: (source) => ({ user: fromPythonFormat(constant(source, 'ratings_prompt'), RATED) }),
      },
      {
        folder: 'reward-bench-2/ties-rating',
        files: ['rewardbench/generative_v2.py'],
        read: (source) => ({ user: fromPythonFormat(constant(source, 'ratings_prompt_ties'), RATED) }),
      },
    ],
  },
  {
    name: 'ScalerLab/JudgeBench',
    prompts: [
      {
        folder: 'judge-bench',
        files: [
          'utils/templates/arena_hard_judge_system.jinja2',
          'utils/templates/arena_hard_judge_prompt.jinja2',
          'utils/judges.py',
        ],
        read: (system, user, judges) => ({
          system: fromJinja(system, {}),
          user: fromJinja(user, ARENA),
          // The system's, the user's and the judge's message come before it.
          followUp: withoutPlaceholders(constant(judges, 'messages', { key: 'content', occurrence: 3 })),
        }),
      },
    ],
  },
  {
    name: 'princeton-nlp/LLMBar',
    prompts: [
      {
        folder: 'llmbar',
        files: ['LLMEvaluator/evaluators/prompts/comparison/CoT.txt'],
        read: (text) => fromChatMl(text, OUTPUTS),
      },
    ],
  },
  {
    name: 'ncsoft/offsetbias',
    prompts: [
      {
        folder: 'eval-bias-bench',
        files: ['prompt/offsetbias.py'],
        read: (source) => ({ user: fromPythonFormat(constant(source, 'user'), OUTPUTS) }),
      },
    ],
  },
  {
    name: 'SalesforceAIResearch/ReasoningJudgeBench',
    prompts: [
      {
        folder: 'reasoning-judge-bench',
        files: ['reasoning_judge_inf/prompts/default_prompts.py'],
        read: reasoningJudge,
      },
      {
        folder: 'reasoning-judge-bench-pairwise',
        files: ['reasoning_judge_inf/prompts/selftaught.py'],
        read: reasoningJudge,
      },
    ],
  },
  {
    name: 'facebookresearch/RAM',
    prompts: [
      {
        folder: 'self-taught-evaluator',
        files: ['projects/self_taught_evaluator/src/utils.py'],
        read: (source) => {
          const content = (occurrence: number) =>
            constant(source, 'SELF_TAUGHT_WITH_SYSTEM_PROMPT', { key: 'content', occurrence });
          return {
            system: withoutPlaceholders(content(0)),
            user: fromPythonFormat(content(1), {
              input: 'instruction',
              response_a: 'responseA',
              response_b: 'responseB',
            }),
          };
        },
      },
    ],
  },
  {
    name: 'lm-sys/FastChat',
    prompts: [
      fastChatPrompt('single-turn', 'pair-v2', LETTERS),
      fastChatPrompt('single-turn-reference', 'pair-math-v1', { ...LETTERS, ref_answer_1: 'referenceOne' }),
      fastChatPrompt('multi-turn', 'pair-v2-multi-turn', TURNS),
      fastChatPrompt('multi-turn-reference', 'pair-math-v1-multi-turn', { ...TURNS, ...REFERENCES }),
    ],
  },
];

/** RewardBench's prompts, whose system message is not a template. */
function ranked(source: string, names: PlaceholderNames): ImportedPrompt {
  return {
    system: withoutPlaceholders(constant(source, 'prompt_v2')),
    user: fromPythonFormat(constant(source, 'MTBENCH_V2', { key: 'prompt_template' }), names),
  };
}

function reasoningJudge(source: string): ImportedPrompt {
  return {
    system: withoutPlaceholders(constant(source, 'PROMPT_PAIRWISE_SYSTEM')),
    user: fromPythonFormat(constant(source, 'PROMPT_PAIRWISE'), RESPONSES),
  };
}

/** A prompt of MT-Bench by its name in FastChat's list. */
function fastChatPrompt(prompt: string, name: string, names: PlaceholderNames): OfficialPrompt {
  return {
    folder: `mt-bench/${prompt}`,
    files: ['fastchat/llm_judge/data/judge_prompts.jsonl'],
    read: (list) => {
      const lines = list.split('\n').filter((line) => line.trim() !== '');
      const found = lines.map((line) => JSON.parse(line) as unknown).find((one) => isObject(one) && one['name'] === name);
      const { system_prompt: system, prompt_template: user } = (found ?? {}) as Record<string, unknown>;
      if (typeof system !== 'string' || typeof user !== 'string')
        throw new UnexpectedPrompt(`has no prompt ${name} with system_prompt and prompt_template`);
      return { system: withoutPlaceholders(system), user: fromPythonFormat(user, names) };
    },
  };
}

function constant(
  source: string,
  name: string,
  at: { readonly key?: string; readonly occurrence?: number } = {},
): string {
  const text = pythonString(source, name, at);
  if (text === undefined)
    throw new UnexpectedPrompt(`has no text ${name}${at.key === undefined ? '' : ` with ${at.key}`}`);
  return text;
}
