/**
 * A model server that judges without reading: `node scripted-server.ts --host H --port N --gate FILE [--answers N] [--api-key KEY]`.
 * It answers so many requests, none by default, and holds further ones until the file exists. Checks are answered at once.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { isCanary, startScriptedEndpoint } from './scripted-endpoint.ts';
import { scriptedAnswer } from './scripted-run.ts';

const text = { type: 'string', default: '' } as const;
const { values: options } = parseArgs({
  options: { host: text, port: text, gate: text, answers: text, 'api-key': text },
});
const key = options['api-key'];
let answers = Number(options.answers);

async function untilOpen(): Promise<void> {
  while (!existsSync(options.gate)) await sleep(50);
}

await startScriptedEndpoint({
  host: options.host,
  port: Number(options.port),
  models: ['judge'],
  script: (request) =>
    key !== '' && request.headers.authorization !== `Bearer ${key}`
      ? { kind: 'status', status: 401 }
      : {
          kind: 'answer',
          texts: scriptedAnswer(request),
          finishReason: 'stop',
          heldUntil: isCanary(request.body) || (answers -= 1) >= 0 ? undefined : untilOpen(),
        },
});
