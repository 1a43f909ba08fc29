/** The ready configurations of temporal/inputs as runs of seconds. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfigurationInput } from '../../src/client.ts';
import type { RecordedRequest } from '../inference/scripted-endpoint.ts';
import { packageRoot } from './cluster.ts';
import { isJudging, scriptedAnswer } from './scripted-run.ts';

/** A ready configuration, but for its models: an endpoint that is scripted, and a training of one step. */
export async function readyInput(file: string, baseUrl: string): Promise<ConfigurationInput> {
  const path = join(packageRoot, 'temporal/inputs', file);
  const configuration = JSON.parse(await readFile(path, 'utf8')) as ConfigurationInput;
  return {
    ...configuration,
    models: { seed: { checkpoint: 'embedded/model' } },
    serving: { kind: 'endpoint', baseUrl, servedName: 'judge-{iteration}' },
    fineTuning: {
      rounds: [
        {
          method: 'sft',
          hyperparameters: { maximumSteps: 1, batchSize: 4, gradientAccumulation: 1, maximumLength: 1024 },
        },
      ],
      threads: 1,
    },
    timeouts: { heartbeatSeconds: 5 },
  };
}

export const asksForVerdict = ({ body }: RecordedRequest) =>
  isJudging(body) || body.messages.some(({ content }) => content.startsWith('Judge: '));

/** As a scripted run answers, also under the compact prompt of the embedded model and in one call for both x' and y_l. */
export function answersTo(request: RecordedRequest): string[] {
  const drawn = scriptedAnswer(request);
  if (isJudging(request.body)) return drawn;
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
