/**
 * A model server whose texts follow from model, prompt and seed alone, run as a program and killed as one:
 * `node scripted-server.ts --port N --request-log FILE`. It takes its time, so that kills find requests in flight.
 */
import { parseArgs } from 'node:util';
import { hashOf } from '../../src/judge/seeds.ts';
import { startScriptedEndpoint, type ChatBody } from '../../test/inference/scripted-endpoint.ts';
import { RequestLog } from './request-log.ts';

const { values: options } = parseArgs({
  options: { port: { type: 'string' }, 'request-log': { type: 'string', default: '/dev/null' } },
});
const log = new RequestLog(options['request-log']);

/** Words, or an argument for either side where two answers are shown. */
function texts({ model, messages, seed = 0, n = 1 }: ChatBody): string[] {
  const prompt = messages.map(({ content }) => content).join('\n');
  return Array.from({ length: n }, (_, k) => {
    const drawn = hashOf(model, prompt, seed + k);
    if (!prompt.startsWith('Judge:')) return `word ${drawn}`;
    return `reasons ${drawn.slice(1, 5)} . [[${drawn < '8' ? 'A' : 'B'}]]`;
  });
}

await startScriptedEndpoint({
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
    const afterMilliseconds = 100 + (Number.parseInt(hashOf(id).slice(0, 4), 16) % 400);
    // Right before the answer goes out.
    setTimeout(() => log.answered(id), afterMilliseconds);
    return { kind: 'answer', texts: texts(body), finishReason: 'stop', afterMilliseconds };
  },
});
