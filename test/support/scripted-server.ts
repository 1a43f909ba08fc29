/**
 * A model server that judges without reading: `node scripted-server.ts --host H --port N --fast FILE [--api-key KEY]`. An answer
 * takes a second, until the file exists.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startScriptedEndpoint } from './scripted-endpoint.ts';
import { scriptedAnswer } from './scripted-run.ts';

const text = { type: 'string', default: '' } as const;
const { values: options } = parseArgs({ options: { host: text, port: text, fast: text, 'api-key': text } });
const key = options['api-key'];

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
          afterMilliseconds: existsSync(options.fast) ? 0 : 1_000,
        },
});
