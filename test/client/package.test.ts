import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { correctJudgment, sampleJudge } from '../support/sample-judge.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';
import { clientFolder, hasDynamicImport, importGraph, installClient, typeCheck } from './packed-client.ts';

const PROGRAM = `
import { Client, Connection } from '@temporalio/client';
import {
  InvalidConfiguration, createJudge, findRun, InvalidJudgeFile, RunConflict, startPairsJudging, RunNotFound, startRun,
  type Comparison, type ConfigurationInput, type Judge, type JudgeFile, type PairsJudgingResult, type Ranking, type Run, type RunProgress, type RunResult,
} from 'self-taught-evaluator-client';

const [address = '', text = '', baseUrl = '', judgeFile = ''] = process.argv.slice(2);
const configuration = JSON.parse(text) as ConfigurationInput;
const connection = await Connection.connect({ address });
const client = new Client({ connection });
const thrown = (error: unknown): unknown => error;

const run: Run = await startRun(client, configuration);
const again = await startRun(client, configuration);
const refused = await startRun(client, { ...configuration, iterations: 0 }).catch(thrown);
const conflict = await startRun(client, { ...configuration, iterations: 7 }).catch(thrown);
const missing = await findRun(client, 'nobody').progress().catch(thrown);
await run.cancel();
const judge: Judge = createJudge({ baseUrl, model: 'some-judge', judge: JSON.parse(judgeFile) as JudgeFile, orders: 'both' });
const { verdict, consistent }: Comparison = await judge.compare('which?', 'it is 3', 'it is 7');
const { ranked }: Ranking = await judge.rank('which?', ['it is 3', 'it is 7']);
const unread = ((): unknown => {
  try {
    return createJudge({ baseUrl, model: 'some-judge', judge: {} as JudgeFile });
  } catch (error) {
    return error;
  }
})();
console.log(JSON.stringify([
  again.workflowId,
  refused instanceof InvalidConfiguration && refused.problems.map(({ path }) => path),
  conflict instanceof RunConflict && conflict.fields,
  missing instanceof RunNotFound && missing.message,
  [verdict, consistent, ranked[0]?.index, unread instanceof InvalidJudgeFile],
]));
await connection.close();

export async function judged(): Promise<PairsJudgingResult['figures']> {
  const serving = { kind: 'endpoint', baseUrl, servedModelName: 'some-judge' } as const;
  return (await (await startPairsJudging(client, { runName: 'judged', serving, pairsFile: 'pairs.jsonl' })).result()).figures;
}

export async function figures(of: Run): Promise<readonly [number, RunProgress['status'] | undefined]> {
  const { iterations, best }: RunResult = await of.result();
  // @ts-expect-error What was read is nobody's to change.
  iterations.push();
  let status: RunProgress['status'] | undefined;
  for await (const progress of of.follow()) status = progress.status;
  return [iterations[best]?.evaluations[0]?.accuracy ?? 0, status];
}
`;

interface PackageFile {
  readonly version: string;
  readonly dependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
}

function read(path: string): PackageFile {
  return JSON.parse(readFileSync(path, 'utf8')) as PackageFile;
}

describe('the client as a package', function () {
  this.timeout(300_000);
  let folder: string;
  let installed: string;
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'client-'));
    [installed, cluster, endpoint] = await Promise.all([
      installClient(folder),
      startCluster(),
      startScriptedEndpoint({
        script: ({ body }) => ({
          kind: 'answer',
          texts: [correctJudgment(body.messages.at(-1)?.content ?? '')],
        }),
      }),
    ]);
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('imports no other packages than its own dependencies, and its types only the two that a service uses', () => {
    for (const [entry, expected] of [
      ['client/index.js', ['@temporalio/client', '@temporalio/proto', 'undici', 'zod']],
      ['client/index.d.ts', ['@temporalio/client', 'zod']],
    ] as const) {
      const modules = [...importGraph(join(installed, 'dist', entry))];
      assert(modules.length > 10, `${entry} imports ${modules.length} modules`);
      const packages = modules.filter((name) => !name.startsWith('/') && !name.startsWith('node:'));
      assert.deepEqual(packages.sort(), expected, entry);
      // The client needs the names of benchmarks and launchers in a configuration, and never runs one.
      const lazy = modules.filter((name) => name.endsWith('.js') && hasDynamicImport(name));
      const launchers = 'models/training/launchers';
      const allowed = [
        'benchmarks/registry.js',
        `${launchers}/kubernetes-connection.js`,
        `${launchers}/launch-parallelism.js`,
      ];
      assert.deepEqual(
        lazy.sort(),
        entry.endsWith('.js') ? allowed.map((name) => join(installed, 'dist', name)) : [],
      );
    }
  });

  it('depends on the versions that the worker has', () => {
    const own = read(join(clientFolder, 'package.json'));
    const worker = read(join(packageRoot, 'package.json'));
    assert.equal(own.version, worker.version);
    const range = (name: string) => `^${worker.dependencies?.[name]}`;
    const expected = Object.fromEntries(
      ['@temporalio/proto', 'undici', 'zod'].map((name) => [name, range(name)]),
    );
    assert.deepEqual(own.dependencies, expected);
    assert.deepEqual(own.peerDependencies, { '@temporalio/client': range('@temporalio/client') });
  });

  it('type-checks and runs in a service that has nothing else', async () => {
    await writeFile(join(folder, 'package.json'), '{"type": "module"}');
    await writeFile(join(folder, 'service.ts'), PROGRAM);
    // @temporalio/common's own types want it; ours are checked whole.
    await writeFile(join(folder, 'ms.d.ts'), "declare module 'ms' { export type StringValue = string; }");
    const tsconfig = {
      compilerOptions: {
        ...{ module: 'nodenext', target: 'es2024', strict: true, noEmit: true, types: ['node'] },
        typeRoots: [join(packageRoot, 'node_modules/@types')],
      },
      files: ['service.ts', 'ms.d.ts'],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
    await typeCheck(join(folder, 'tsconfig.json'));

    const configuration = JSON.stringify(tinyConfiguration('from-a-service', 'http://127.0.0.1:9/v1'));
    const judge = JSON.stringify(sampleJudge());
    const service = [join(folder, 'service.ts'), cluster.address, configuration, endpoint.baseUrl, judge];
    const { stdout } = await promisify(execFile)(process.execPath, service, { cwd: folder });
    const [workflowId, refused, conflict, missing, judged] = JSON.parse(stdout) as [
      string,
      string[],
      string[],
      string,
      unknown[],
    ];
    assert.deepEqual(judged, ['B', true, 1, true]);
    assert.equal(workflowId, 'from-a-service');
    assert.deepEqual(refused, ['iterations']);
    assert.deepEqual(conflict, ['iterations']);
    assert.match(missing, new RegExp(`no run "nobody" in the namespace default of ${cluster.address}`));
  });
});
