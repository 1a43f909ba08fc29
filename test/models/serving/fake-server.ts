/**
 * A small model server for tests, run as a program: `node fake-server.ts --port N [--host H] [--model NAME]...`
 * It serves any model, or only the named ones; after `POST /control/hang` it no longer answers; after `POST /control/print` it has
 * printed some megabytes.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string' },
    model: { type: 'string', multiple: true },
    /** The file to which it appends its process id when it starts. */
    starts: { type: 'string' },
    /** The exit code with which it ends immediately. */
    exit: { type: 'string' },
    /** Starts a child that ignores SIGTERM, and ignores it too. */
    stubborn: { type: 'boolean' },
    /** The file whose existence makes it healthy. */
    ready: { type: 'string' },
    /** The key that requests must have; it may also be in a variable. */
    'api-key': { type: 'string' },
    /** The status with which it refuses each request to the model. */
    refuse: { type: 'string' },
  },
});

if (options.starts !== undefined) appendFileSync(options.starts, `${process.pid}\n`);
if (options.exit !== undefined) {
  console.error(`ValueError: the model could not be loaded by ${process.pid}`);
  for (let frame = 0; frame < 20; frame++) console.error(`  at frame ${frame}`);
  console.error('see root cause above');
  process.exit(Number(options.exit));
}
if (options.stubborn === true) {
  process.on('SIGTERM', () => undefined);
  spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], {
    stdio: 'ignore',
  });
}

let hangs = false;

createServer((request, response) => {
  void (async () => {
    let text = '';
    for await (const part of request) text += String(part);
    if (hangs) return;
    switch (request.url ?? '') {
      case '/health':
        return send(response, options.ready === undefined || existsSync(options.ready) ? 200 : 503, {});
      case '/v1/models':
        return send(response, 200, { data: (options.model ?? []).map((id) => ({ id, object: 'model' })) });
      case '/v1/chat/completions': {
        const key = options['api-key'] ?? process.env['VLLM_API_KEY'] ?? process.env['SERVER_API_KEY'];
        if (key !== undefined && request.headers.authorization !== `Bearer ${key}`)
          return send(response, 401, { error: 'Unauthorized' });
        if (options.refuse !== undefined)
          return send(response, Number(options.refuse), { error: { message: 'not like this' } });
        const { model } = JSON.parse(text) as { model: string };
        if (options.model !== undefined && !options.model.includes(model)) {
          return send(response, 404, { error: { message: `no model ${model}` } });
        }
        const message = { role: 'assistant', content: `${model} from ${process.pid}` };
        return send(response, 200, { choices: [{ index: 0, message, finish_reason: 'stop' }] });
      }
      case '/control/print':
        for (let line = 0; line < 60_000; line++) console.log('200 OK '.repeat(15));
        return send(response, 200, {});
      case '/control/hang':
        hangs = true;
        return send(response, 200, {});
      default:
        return send(response, 404, {});
    }
  })();
}).listen(Number(options.port), options.host);

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
