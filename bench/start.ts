/**
 * `npm run bench:start`: measures what a user waits for: the command line, the start of server and worker, the first request of
 * an evaluation, the end; with `--demo` also the demo, stage by stage.
 *
 *   npm run bench:start -- --times 3 --vs ../other-checkout --demo
 *
 * Prints seconds of wall and of processor time, the least of all times. With `--vs` another checkout, which must be set up, does
 * the same in turn; its runs of the same step lie beside each other, so that a busy machine slows both.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { MACHINE_FOLDER_VARIABLE } from '../src/models/gpus/machine-gpus.ts';
import { groupActivity } from '../src/platform/group-activity.ts';
import { packageRoot } from '../src/platform/package-root.ts';
import { freeServerPorts } from '../tools/setup/free-ports.ts';
import { runTool } from '../tools/setup/run-tool.ts';

interface Seconds {
  readonly wall: number;
  /** Undefined if it can't be told: the processes of a demo's stages are not those of the command. */
  readonly cpu?: number;
}

/** The least seconds of each step, in the order of the steps. */
type Measured = Map<string, Seconds>;

const RUN = 'evaluate-embedded';
/** The check of an endpoint asks for one token, or for none that counts. */
const FIRST_REQUEST = /"event": "asked".*"maxTokens": (?:[2-9]|[1-9]\d)\b/;

class Checkout {
  readonly #root: string;
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;

  constructor(root: string, folder: string, ports: { grpc: number; ui: number }) {
    this.#root = root;
    this.#folder = folder;
    this.#environment = {
      ...process.env,
      NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'node'),
      SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT: String(ports.grpc),
      SELF_TAUGHT_EVALUATOR_UI_PORT: String(ports.ui),
      // A run of somebody else has the machine's GPUs for itself.
      [MACHINE_FOLDER_VARIABLE]: join(folder, 'machine'),
    };
  }

  async measure(withDemo: boolean, note: (step: string, seconds: Seconds) => void): Promise<void> {
    note('--help', await this.#command('--help'));
    const server = this.#start('temporal', '--json');
    note('temporal, until it answers', await this.#until(server, () => server.output.includes('\n')));
    const worker = this.#start('worker', '--log-format', 'text', '--on-shutdown', 'stop');
    note(
      'worker, until it takes work',
      await this.#until(worker, () => worker.output.includes('with roles')),
    );
    const requests = join(this.#folder, 'requests.jsonl');
    const began = performance.now();
    const evaluation = this.#command('start', await this.#evaluation(requests), '--follow');
    const isAsked = async () => FIRST_REQUEST.test(await readFile(requests, 'utf8').catch(() => ''));
    while (!(await isAsked())) await sleep(10);
    note('start, until the first request', { wall: (performance.now() - began) / 1000 });
    note('start --follow, an evaluation', await evaluation);
    note('runs', await this.#command('runs'));
    note('show', await this.#command('show', RUN));
    note('the end of the worker', await this.#stop(worker));
    note('the end of the server', await this.#stop(server));
    if (withDemo) await this.#demo(note);
  }

  async #demo(note: (step: string, seconds: Seconds) => void): Promise<void> {
    note('demo', await this.#command('demo', '--new', '--json', '--store', join(this.#folder, 'demo')));
    const file = join(this.#folder, 'demo', 'embedded', 'result.json');
    const { iterations } = JSON.parse(await readFile(file, 'utf8')) as {
      iterations: { iteration: number; seconds: Record<string, number> }[];
    };
    for (const { iteration, seconds } of iterations)
      for (const [stage, wall] of Object.entries(seconds))
        note(`demo, iteration ${iteration}: ${stage}`, { wall });
  }

  /** The embedded evaluation, whose server writes down when it is asked. */
  async #evaluation(requests: string): Promise<string> {
    const example = join(this.#root, 'temporal', 'inputs', 'evaluate-embedded.json');
    const configuration = JSON.parse(await readFile(example, 'utf8')) as { serving: { command: string[] } };
    configuration.serving.command.push('--request-log', requests);
    const file = join(this.#folder, 'evaluation.json');
    await writeFile(file, JSON.stringify(configuration));
    return file;
  }

  /** Runs a command to its end, with all processes that it waits for. */
  async #command(...args: string[]): Promise<Seconds> {
    const began = performance.now();
    const command = this.#start(...args);
    const [code] = (await once(command.child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${args.join(' ')} in ${this.#root} failed:\n${command.output}`);
    const wall = (performance.now() - began) / 1000;
    return { wall, cpu: childSeconds(command.output) };
  }

  #start(...args: string[]): { readonly child: ChildProcess; readonly began: number; output: string } {
    const program = [process.execPath, join(this.#root, 'src', 'cli', 'main.ts'), ...args];
    // The shell prints the processor time of its children, which Node can't tell.
    const script = 'trap "" TERM INT; "$@"; code=$?; times >&2; exit $code';
    const child = spawn('sh', ['-c', script, 'sh', ...program], {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const started = { child, began: performance.now(), output: '' };
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (started.output += chunk.toString()));
    return started;
  }

  async #until(
    { child, began }: { readonly child: ChildProcess; readonly began: number },
    isReady: () => boolean,
  ): Promise<Seconds> {
    while (!isReady()) {
      if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended`);
      await sleep(5);
    }
    return {
      wall: (performance.now() - began) / 1000,
      cpu: child.pid === undefined ? 0 : groupActivity(child.pid).cpuSeconds,
    };
  }

  async #stop({ child }: { readonly child: ChildProcess }): Promise<Seconds> {
    const began = performance.now();
    const closed = once(child, 'close');
    // The shell ignores the signal, and ends after the command.
    process.kill(-(child.pid ?? NaN), 'SIGTERM');
    await closed;
    return { wall: (performance.now() - began) / 1000 };
  }
}

/** The second line of the shell's `times` is that of its children: `0m1.230s 0m0.120s`. */
function childSeconds(output: string): number {
  const line = output.trim().split('\n').at(-1) ?? '';
  return [...line.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds),
    0,
  );
}

function tableOf(all: readonly (readonly [root: string, measured: Measured])[]): string {
  const columns = all.flatMap(([root]) => (['wall', 'CPU'] as const).map((kind) => `${root}\n${kind}, s`));
  const table = new Table({ head: ['', ...columns], style: { head: [], border: [] } });
  const shown = (seconds: number | undefined) => seconds?.toFixed(2) ?? '';
  for (const step of all[0]?.[1].keys() ?? [])
    table.push([
      step,
      ...all.flatMap(([, measured]) => [shown(measured.get(step)?.wall), shown(measured.get(step)?.cpu)]),
    ]);
  return table.toString();
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

await runTool(async () => {
  const { values } = parseArgs({
    options: {
      times: { type: 'string', default: '3' },
      vs: { type: 'string' },
      demo: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const roots = [...(values.vs === undefined ? [] : [resolve(values.vs)]), packageRoot];
  const all = roots.map((root) => [root, new Map() as Measured] as const);
  for (let time = 1; time <= Number(values.times); time += 1)
    for (const [root, measured] of all) {
      console.error(`${time} of ${values.times}: ${root}`);
      const folder = await mkdtemp(join(tmpdir(), 'bench-start-'));
      try {
        await new Checkout(root, folder, await freeServerPorts()).measure(values.demo, (step, now) => {
          const before = measured.get(step);
          const cpu = least(before?.cpu, now.cpu);
          measured.set(step, {
            wall: Math.min(before?.wall ?? Infinity, now.wall),
            ...(cpu === undefined ? {} : { cpu }),
          });
        });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }
  if (values.json)
    console.log(JSON.stringify(all.map(([root, measured]) => ({ root, ...Object.fromEntries(measured) }))));
  else console.log(tableOf(all));
});
