import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Writes files with their folders. */
export async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}

const rewardBench = (letters: string) => `
prompt_v2 = (
    "Say who is best: " # no tie
    'one of "[[A]]".'
)
MTBENCH_V2 = {
    "name": "pair",
    "system_prompt": prompt_v2,
    "prompt_template": "Q: {question}\\n${letters.replaceAll(/\w/g, (letter) => `${letter}: {answer_${letter}}\\n`)}{{1}}",
}
`;

const reasoningJudge = `
PROMPT_PAIRWISE_SYSTEM = """
Think, then judge.
""".strip()
PROMPT_PAIRWISE="""
{question} / {response_a} / {response_b}
""".strip()
`;

const fastChat = (name: string, template: string) =>
  JSON.stringify({ name, system_prompt: `System of ${name}.`, prompt_template: template });
const TURNS = '{question_1} {answer_a_1} {answer_b_1} {question_2} {answer_a_2} {answer_b_2}';

/** Clones of the official repositories as they are laid out, with prompts of our own. */
export const OFFICIAL_CLONES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'reward-bench': {
    'rewardbench/generative.py': rewardBench('ab'),
    'rewardbench/generative_v2.py': `${rewardBench('abcd')}
ratings_prompt = """
Rate {completion} for {prompt}.
Only a number"""
ratings_prompt_ties = """Rate {completion} for {prompt} by its truth."""
`,
  },
  judges: {
    'utils/templates/arena_hard_judge_system.jinja2': 'Answer it yourself first.\n',
    'utils/templates/arena_hard_judge_prompt.jinja2': '{{prompt}}\n\n{{ answer_a }} | {{answer_b}}',
    'utils/judges.py': `
class ArenaHard(Judge):
    async def get_judgment(self):
        messages = [
            {"role": "system", "content": system_message},
            {"role": "user", "content": user_message},
        ]
        messages.append({"role": "assistant", "content": new_judgment})
        messages.append(
            {"role": "user", "content": "now end with a label"})
`,
  },
  LLMBar: {
    'LLMEvaluator/evaluators/prompts/comparison/CoT.txt':
      '<|im_start|>system\nHelp.\n<|im_end|>\n<|im_start|>user\nCompare for {input}:\n{output_1}\n{output_2}\n<|im_end|>',
  },
  offsetbias: {
    'prompt/offsetbias.py':
      'user = """Answer “Output (a)” or “Output (b)”.\n{input}\n{output_1}\n{output_2}"""\noutput_pattern = {}\n',
  },
  reasoning: {
    'reasoning_judge_inf/prompts/default_prompts.py': reasoningJudge,
    'reasoning_judge_inf/prompts/selftaught.py': reasoningJudge,
  },
  RAM: {
    'projects/self_taught_evaluator/src/utils.py': `
SELF_TAUGHT_WITH_SYSTEM_PROMPT = [
    {
        "role": "system",
        "content": 'End with \\\\"[[A]]\\\\".',
    },
    {
        "role": "user",
        "content": """{input} {response_a} {response_b}
""",
    },
]
`,
  },
  FastChat: {
    'fastchat/llm_judge/data/judge_prompts.jsonl': [
      fastChat('pair-v2', '{question} {answer_a} {answer_b}'),
      fastChat('pair-math-v1', '{question} {ref_answer_1} {answer_a} {answer_b}'),
      fastChat('pair-v2-multi-turn', TURNS),
      fastChat('pair-math-v1-multi-turn', `${TURNS} {ref_answer_1} {ref_answer_2}`),
    ].join('\n'),
  },
};
