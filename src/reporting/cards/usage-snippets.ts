import type { SamplingParameters } from '../../method/sampling-parameters.ts';
import { renderPrompt, type PromptTemplate } from '../../method/prompt-template.ts';
import { codeBlock, pythonLiteral } from './markdown.ts';

/** How to use the judge with the prompt of its training: complete programs that run unchanged. */
export function howToUseSection({
  prompt,
  sampling,
  repository,
}: {
  readonly prompt: PromptTemplate;
  readonly sampling: SamplingParameters;
  readonly repository?: string | undefined;
}): string {
  const model = repository ?? 'outputs/model';
  const download = repository === undefined ? [] : [`hf download ${repository} --local-dir judge`];
  const folder = repository === undefined ? model : 'judge';
  return [
    '## How to use it',
    codeBlock('python', transformersCode(prompt, sampling, model)),
    'Or behind a server, with the same messages:',
    codeBlock('sh', `vllm serve ${model} --host 127.0.0.1 --generation-config vllm`),
    codeBlock('python', endpointCode(sampling, model)),
    '`judge.json` beside this card contains the same for programs: the prompt, the sampling, and the rules for verdicts and votes. The command ' +
      '`judge` of the Self-Taught Evaluator uses it to judge a file of pairs, and `createJudge` of its client to compare and rank responses:',
    codeBlock(
      'sh',
      [...download, `npx self-taught-evaluator judge pairs.jsonl --model ${folder} --both-orders`].join('\n'),
    ),
    'A text with two different letters, or without a letter, has no verdict. Judge a pair again with the responses swapped: a verdict ' +
      'for the same response in both orders does not depend on its position.',
  ].join('\n\n');
}

function transformersCode(prompt: PromptTemplate, sampling: SamplingParameters, model: string): string {
  const { temperature, topP, maxTokens } = sampling;
  const samplingArguments =
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
request = messages("What is 2 + 2?", "4", "5")
inputs = tokenizer.apply_chat_template(request, add_generation_prompt=True, return_tensors="pt", return_dict=True)
output = model.generate(**inputs, max_new_tokens=${maxTokens}, ${samplingArguments})
judgment = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
print(judgment, verdict(judgment))`;
}

/** The template's messages as Python. Placeholders remain; the program fills them in one pass. */
function messageLines(prompt: PromptTemplate): string {
  return renderPrompt(prompt, {})
    .map(
      ({ role, content }) => `    {"role": ${JSON.stringify(role)}, "content": ${pythonLiteral(content)}},`,
    )
    .join('\n');
}

function endpointCode({ temperature, topP, maxTokens }: SamplingParameters, model: string): string {
  return `from openai import OpenAI

client = OpenAI(base_url="http://localhost:8000/v1", api_key="none")
answer = client.chat.completions.create(
    model=${JSON.stringify(model)}, messages=request, temperature=${temperature}, top_p=${topP}, max_tokens=${maxTokens}
)
print(verdict(answer.choices[0].message.content))`;
}
