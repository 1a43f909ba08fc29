import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { promisify } from 'node:util';
import { Ajv } from 'ajv';
import { freeServerPorts } from '../../scripts/setup/free-ports.ts';
import { startTemporal } from '../../scripts/setup/dev-server.ts';
import { findRun, type RunProgress } from '../../src/client.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../inference/scripted-endpoint.ts';
import { packageRoot, startCluster, type Cluster } from '../workflows/cluster.ts';
import { answersSlowly, hasBegun, progressUntil, tinyConfiguration } from '../workflows/tiny-run.ts';
import { fencedBlocks } from './fenced-blocks.ts';

/** What the HTTP API answers, as far as the commands are told from each other by it. */
interface Answer {
  readonly started?: boolean;
  readonly runId?: string;
  readonly queryResult?: readonly RunProgress[];
  readonly outcome?: { readonly success?: object; readonly failure?: { readonly message: string } };
  readonly message?: string;
  readonly history?: {
    readonly events: readonly {
      readonly eventType: string;
      readonly workflowExecutionCompletedEventAttributes?: { readonly result: readonly unknown[] };
    }[];
  };
}

/** Each command of the document is run as it stands there, with other settings than those of its first block. */
describe('the commands of docs/services.md', function () {
  this.timeout(180_000);
  const [settings, ...commands] = fencedBlocks(join(packageRoot, 'docs/services.md')).filter(
    ({ language }) => language === 'sh',
  );
  const tried = new Set<string>();
  let folder: string;
  let workflows: string;
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'services-'));
    const ports = await freeServerPorts();
    cluster = await startCluster((files) => startTemporal({ ports, dbFile: join(files, 'temporal.db') }));
    workflows = (settings?.text ?? '').replace('localhost:7243', `127.0.0.1:${ports.http}`);
    assert.notEqual(workflows, settings?.text);
    cluster.startWorker();
    endpoint = await startScriptedEndpoint({
      script: answersSlowly,
    });
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
    await rm(folder, { recursive: true, force: true });
  });

  const fileOf = (run: string) => join(folder, `${run}.json`);

  /** Runs the block under a heading, for a run of ours; gives the JSON that it prints. */
  async function command(heading: string, run: string): Promise<Answer> {
    const block = commands.find((each) => each.heading === heading);
    assert(block !== undefined, `docs/services.md has no command under ${heading}`);
    tried.add(heading);
    const script = ['set -euo pipefail', workflows, `configuration=${fileOf(run)} run=${run}`, block.text];
    const { stdout } = await promisify(execFile)('bash', ['-c', script.join('\n')]);
    return JSON.parse(stdout) as Answer;
  }

  async function writeConfiguration(run: string): Promise<void> {
    await writeFile(fileOf(run), JSON.stringify(tinyConfiguration(run, endpoint.baseUrl)));
  }

  it('start a run once, tell where it is, pause it, are refused, resume it, and have its result', async () => {
    await writeConfiguration('curled');
    const started = await command('Start', 'curled');
    assert.equal(started.started, true);
    const again = await command('Start', 'curled');
    assert.deepEqual([again.started ?? false, again.runId], [false, started.runId]);

    await progressUntil(findRun(cluster.client, 'curled'), hasBegun('generatePairs', 0));
    const [progress] = (await command('Where it is', 'curled')).queryResult ?? [];
    assert.equal(progress?.runName, 'curled');
    assertValid('progress', await findRun(cluster.client, 'curled').progress());

    const paused = await command('Pause', 'curled');
    assert(paused.outcome?.success !== undefined, JSON.stringify(paused));
    const [now] = (await command('Where it is', 'curled')).queryResult ?? [];
    assert.equal(now?.paused?.reason, 'the GPU is needed');
    const refused = await command('Pause', 'curled');
    assert.match(refused.outcome?.failure?.message ?? '', /curled is paused already/);
    await command('Resume', 'curled');

    const { history } = await command('Result', 'curled');
    const [result] = history?.events[0]?.workflowExecutionCompletedEventAttributes?.result ?? [];
    const stored = await readFile(join(cluster.storeRoot, 'curled/result.json'), 'utf8');
    assert.deepEqual(result, asOverHttp(stored));
    assertValid('result', JSON.parse(stored));
  });

  it('cancel a run', async () => {
    await writeConfiguration('cancelled');
    await command('Start', 'cancelled');
    await progressUntil(findRun(cluster.client, 'cancelled'), hasBegun('generatePairs', 0));
    await command('Cancel', 'cancelled');
    const { history } = await command('Result', 'cancelled');
    assert.equal(history?.events[0]?.eventType, 'EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED');
  });

  it('say that there is no such run', async () => {
    assert.match((await command('Where it is', 'nobody')).message ?? '', /workflow not found/);
  });

  it('are all tried here', () => {
    assert.deepEqual(
      commands.map(({ heading }) => heading),
      [...tried].sort((a, b) => order(a) - order(b)),
    );
  });

  /** Temporal's HTTP API writes null for an empty list. */
  const asOverHttp = (json: string): unknown =>
    JSON.parse(json, (_key, value: unknown) => (Array.isArray(value) && value.length === 0 ? null : value));

  const order = (heading: string) => commands.findIndex((each) => each.heading === heading);

  function assertValid(schema: string, value: unknown): void {
    const ajv = new Ajv({ allErrors: true });
    const validate = ajv.compile(
      JSON.parse(readFileSync(join(packageRoot, `schema/${schema}.schema.json`), 'utf8')) as object,
    );
    assert(validate(value), ajv.errorsText(validate.errors));
  }
});
