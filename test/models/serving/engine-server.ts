/**
 * A model server of two processes for tests, as vLLM is one: the front answers the health path and the metrics itself, the engine
 * makes the answers. `node engine-server.ts --port N --starts FILE [--answer-seconds S] [--metrics] [--busy]`
 */
import { fork } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string' },
    /** The file to which it appends the process ids of front and engine when it starts. */
    starts: { type: 'string', default: '' },
    /** How long the engine works on a request for more than one token; it works on one request at a time. */
    'answer-seconds': { type: 'string', default: '0' },
    /** Whether the front has metrics, as the engine last reported them. */
    metrics: { type: 'boolean', default: false },
    /** Whether the engine takes processor time while it works. */
    busy: { type: 'boolean', default: false },
    engine: { type: 'boolean', default: false },
  },
});

interface Job {
  readonly id: number;
  readonly isShort: boolean;
}

type Report = { readonly tokens: number } | { readonly answered: number };

if (options.engine) runEngine();
else runFront();

function runFront(): void {
  const engine = fork(import.meta.filename, [...process.argv.slice(2), '--engine']);
  appendFileSync(options.starts, `${process.pid} ${engine.pid}\n`);
  const waiting = new Map<number, ServerResponse>();
  let tokens = 0;
  let jobs = 0;
  engine.on('message', (report: Report) => {
    if ('tokens' in report) tokens = report.tokens;
    else {
      const message = { role: 'assistant', content: `from ${process.pid}` };
      send(waiting.get(report.answered), { choices: [{ index: 0, message, finish_reason: 'stop' }] });
    }
  });
  createServer((request, response) => {
    void (async () => {
      let text = '';
      for await (const part of request) text += String(part);
      if (request.url === '/metrics' && options.metrics)
        response.end(
          `# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{engine="0"} ${tokens}.0\n`,
        );
      else if (request.url === '/v1/chat/completions') {
        const id = jobs++;
        waiting.set(id, response);
        const { max_tokens: maxTokens } = JSON.parse(text) as { max_tokens?: number };
        engine.send({ id, isShort: maxTokens === 1 } satisfies Job);
      } else if (request.url === '/health') send(response, {});
      else response.writeHead(404).end();
    })();
  }).listen(Number(options.port), '127.0.0.1');
}

function runEngine(): void {
  const queue: Job[] = [];
  let tokens = 0;
  let isWorking = false;
  process.on('disconnect', () => process.exit());
  process.on('message', (job: Job) => {
    queue.push(job);
    if (!isWorking) void work();
  });

  async function work(): Promise<void> {
    isWorking = true;
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const until = performance.now() + (job.isShort ? 0 : 1000 * Number(options['answer-seconds']));
      while (performance.now() < until) {
        const step = performance.now() + 50;
        while (options.busy && performance.now() < step);
        process.send!({ tokens: ++tokens } satisfies Report);
        await sleep(50);
      }
      process.send!({ tokens: ++tokens } satisfies Report);
      process.send!({ answered: job.id } satisfies Report);
    }
    isWorking = false;
  }
}

function send(response: ServerResponse | undefined, body: object): void {
  response?.writeHead(200, { 'content-type': 'application/json' });
  response?.end(JSON.stringify(body));
}
