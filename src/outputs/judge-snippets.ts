import type { Sampling } from '../config/schema.ts';
import { renderPrompt, type PromptTemplate } from '../judge/prompt-template.ts';
import { fenced, pythonText } from './markdown.ts';

/** How to ask the judge, in the words that it was trained and evaluated with: complete programs that run as they stand. */
export function usageSection({
  prompt,
  sampling,
  repository,
}: {
  readonly prompt: PromptTemplate;
  readonly sampling: Sampling;
  readonly repository?: string | undefined;
}): string {
  const model = repository ?? 'outputs/model';
  const download = repository === undefined ? [] : [`hf download ${repository} --local-dir judge`];
  const folder = repository === undefined ? model : 'judge';
  return [
    '## How to use it',
    fenced('python', transformersCode(prompt, sampling, model)),
    'Or behind a server, with the same messages:',
    fenced('sh', `vllm serve ${model}`),
    fenced('python', endpointCode(sampling, model)),
    '`judge.json` beside this card holds the same for programs: prompt, sampling, how verdicts are read, how votes are counted. With it ' +
      'the command `judge` of the Self-Taught Evaluator judges a file of pairs, and `createJudge` of its client compares and ranks responses:',
    fenced(
      'sh',
      [...download, `npx self-taught-evaluator judge pairs.jsonl --model ${folder} --both-orders`].join('\n'),
    ),
    'A text with two different letters, or none, has no verdict. Ask again with the responses exchanged: what names the ' +
      'same response in both orders does not come from its place.',
  ].join('\n\n');
}

function transformersCode(prompt: PromptTemplate, sampling: Sampling, model: string): string {
  const { temperature, topP, maxTokens } = sampling;
  const drawn =
    temperature === 0 ? 'do_sample=False' : `do_sample=True, temperature=${temperature}, top_p=${topP}`;
  return `import re
from transformers import AutoModelForCausalLM, AutoTokenizer

MODEL = ${JSON.stringify(model)}
PROMPT = [
${messageLines(prompt)}
]


def messages(instruction, response_a, response_b):
    values = {"instruction": instruction, "responseA": response_a, "responseB": response_b}
    fill = lambda text: re.sub(r"\\{(instruction|responseA|responseB)\\}", lambda found: values[found[1]], text)
    return [{"role": message["role"], "content": fill(message["content"])} for message in PROMPT]


def verdict(text):
    letters = set(re.findall(r"\\[\\[([ABC])\\]\\]", text))
    return letters.pop() if len(letters) == 1 else None


tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype="auto")
asked = messages("What is 2 + 2?", "4", "5")
inputs = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
output = model.generate(**inputs, max_new_tokens=${maxTokens}, ${drawn})
judgment = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
print(judgment, verdict(judgment))`;
}

/** The template's messages as Python; placeholders stay, and are filled in one pass. */
function messageLines(prompt: PromptTemplate): string {
  return renderPrompt(prompt, {})
    .map(({ role, content }) => `    {"role": ${JSON.stringify(role)}, "content": ${pythonText(content)}},`)
    .join('\n');
}

function endpointCode({ temperature, topP, maxTokens }: Sampling, model: string): string {
  return `from openai import OpenAI

client = OpenAI(base_url="http://localhost:8000/v1", api_key="none")
answer = client.chat.completions.create(
    model=${JSON.stringify(model)}, messages=asked, temperature=${temperature}, top_p=${topP}, max_tokens=${maxTokens}
)
print(verdict(answer.choices[0].message.content))`;
}
