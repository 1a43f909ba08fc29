/** Turns the ready configurations of temporal/inputs into runs of a few seconds. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfigurationInput } from '../../src/client/index.ts';
import type { RecordedRequest } from './scripted-endpoint.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { isJudgeRequest, SCRIPTED_JUDGE_PROMPT, scriptedAnswer } from './scripted-run.ts';
import { oneStep } from './tiny-run.ts';

/** A ready configuration with a scripted endpoint for its models and a training of one step. */
export async function readyInput(file: string, baseUrl: string): Promise<ConfigurationInput> {
  const path = join(packageRoot, 'temporal/inputs', file);
  const configuration = JSON.parse(await readFile(path, 'utf8')) as ConfigurationInput;
  const { trainingPrompt: _, ...filtering } = configuration.filtering ?? {};
  return {
    ...configuration,
    filtering,
    judging: { ...configuration.judging, prompt: withoutSystem(configuration.judging?.prompt) },
    evaluation: { ...configuration.evaluation, prompt: withoutSystem(configuration.evaluation.prompt) },
    models: { seed: { checkpoint: 'embedded/model' } },
    serving: { kind: 'endpoint', baseUrl, servedModelName: 'judge-{iteration}' },
    fineTuning: {
      rounds: [
        {
          method: 'sft',
          hyperparameters: oneStep,
        },
      ],
      threads: 1,
    },
    timeouts: { heartbeatSeconds: 5 },
  };
}

/** The embedded model's chat template leaves out system messages, which the compact prompts don't have. */
function withoutSystem(prompt: string | undefined): string {
  return prompt?.startsWith('prompts/compact/') ? prompt : SCRIPTED_JUDGE_PROMPT;
}

export const asksForVerdict = ({ body }: RecordedRequest) =>
  isJudgeRequest(body) || body.messages.some(({ content }) => content.startsWith('Judge: '));

/** Answers like the endpoint of a scripted run, also for the compact prompt and for one call that returns both x' and y_l. */
export function answersFor(request: RecordedRequest): string[] {
  const drawn = scriptedAnswer(request);
  if (isJudgeRequest(request.body)) return drawn;
  if (asksForVerdict(request))
    return drawn.map((text) => `reasons . [[${/[0-7]/.test(text.at(-1) ?? '') ? 'A' : 'B'}]]`);
  const inOneCall = request.body.messages.at(-1)?.content.includes('[The Start of the Modified Instruction]');
  if (!inOneCall) return drawn;
  return drawn.map((text) =>
    [
      `[The Start of the Modified Instruction]\nDo ${text}\n[The End of the Modified Instruction]`,
      `[The Start of the Answer to the Modified Instruction]\nno ${text}\n[The End of the Answer to the Modified Instruction]`,
    ].join('\n'),
  );
}
