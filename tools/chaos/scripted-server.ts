/**
 * A model server whose answers depend only on model, prompt and seed: `node scripted-server.ts --host A --port N --request-log FILE`.
 * It delays its answers, so that requests are in flight when a process is killed.
 */
import { parseArgs } from 'node:util';
import { stableHash } from '../../src/platform/stable-hash.ts';
import { startScriptedEndpoint, type ChatBody } from '../../test/support/scripted-endpoint.ts';
import { RequestLog } from './request-log.ts';

const { values: options } = parseArgs({
  options: {
    host: { type: 'string' },
    port: { type: 'string' },
    'request-log': { type: 'string', default: '/dev/null' },
  },
});
const log = new RequestLog(options['request-log']);

/** A word, or a verdict if the prompt is that of a judge. */
function texts({ model, messages, seed = 0, n = 1 }: ChatBody): string[] {
  const prompt = messages.map(({ content }) => content).join('\n');
  return Array.from({ length: n }, (_, k) => {
    const hash = stableHash(model, prompt, seed + k);
    if (!/^Judge:|^Follow this plan:/m.test(prompt)) return `word ${hash}`;
    return `reasons ${hash.slice(1, 5)} . [[${hash < '8' ? 'A' : 'B'}]]`;
  });
}

await startScriptedEndpoint({
  host: options.host,
  port: Number(options.port),
  models: ['scripted'],
  script: ({ body }) => {
    const { model, messages, seed, n, max_tokens } = body;
    const id = log.asked({
      model,
      messages,
      seed: seed ?? null,
      samples: n ?? 1,
      maxTokens: max_tokens ?? null,
    });
    const afterMilliseconds = 100 + (Number.parseInt(stableHash(id).slice(0, 4), 16) % 400);
    // Logged just before the answer is sent.
    setTimeout(() => log.answered(id), afterMilliseconds);
    return { kind: 'answer', texts: texts(body), finishReason: 'stop', afterMilliseconds };
  },
});
