import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { promisify } from 'node:util';
import { Ajv } from 'ajv';
import { freePort } from '../../src/platform/ports.ts';
import { freeServerPorts } from '../../tools/setup/free-ports.ts';
import { startDevServer } from '../../src/cli/temporal/dev-server.ts';
import { findRun, type RunProgress } from '../../src/client/index.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import {
  heldScriptedAnswers,
  stageStarted,
  waitForProgress,
  tinyConfiguration,
} from '../support/tiny-run.ts';
import { fencedBlocks } from './fenced-blocks.ts';

/** The fields of the HTTP API's answers that these tests read. */
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

/** Runs each command of the document unchanged, except that the settings of its first block are replaced. */
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
  /** The run gets no answers before this. */
  let released = Promise.withResolvers<void>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'services-'));
    const ports = { ...(await freeServerPorts()), http: await freePort() };
    cluster = await startCluster((files) =>
      startDevServer({ ports, databaseFile: join(files, 'temporal.db') }),
    );
    workflows = (settings?.text ?? '').replace('localhost:7243', `127.0.0.1:${ports.http}`);
    assert.notEqual(workflows, settings?.text);
    cluster.startWorker();
    endpoint = await startScriptedEndpoint({
      script: (request) => heldScriptedAnswers(released.promise)(request),
    });
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
    await rm(folder, { recursive: true, force: true });
  });

  const fileOf = (run: string) => join(folder, `${run}.json`);

  /** Runs the block under a heading for a run of this test, and returns the JSON that it prints. */
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

  it('start a run only once, show its progress, pause it, are refused a second pause, resume it, and show its result', async () => {
    await writeConfiguration('curled');
    const started = await command('Start', 'curled');
    assert.equal(started.started, true);
    const again = await command('Start', 'curled');
    assert.deepEqual([again.started ?? false, again.runId], [false, started.runId]);

    await waitForProgress(findRun(cluster.client, 'curled'), stageStarted('generatePairs', 0));
    const [progress] = (await command('Progress', 'curled')).queryResult ?? [];
    assert.equal(progress?.runName, 'curled');
    assertValid('progress', await findRun(cluster.client, 'curled').progress());

    const paused = await command('Pause', 'curled');
    assert(paused.outcome?.success !== undefined, JSON.stringify(paused));
    const [now] = (await command('Progress', 'curled')).queryResult ?? [];
    assert.equal(now?.paused?.reason, 'the GPU is needed');
    const refused = await command('Pause', 'curled');
    assert.match(refused.outcome?.failure?.message ?? '', /curled has been paused since/);
    released.resolve();
    await command('Resume', 'curled');

    const { history } = await command('Result', 'curled');
    const [result] = history?.events[0]?.workflowExecutionCompletedEventAttributes?.result ?? [];
    const stored = await readFile(join(cluster.storeRoot, 'curled/result.json'), 'utf8');
    assert.deepEqual(result, asOverHttp(stored));
    assertValid('result', JSON.parse(stored));
  });

  it('cancel a run', async () => {
    released = Promise.withResolvers();
    await writeConfiguration('cancelled');
    await command('Start', 'cancelled');
    await waitForProgress(findRun(cluster.client, 'cancelled'), stageStarted('generatePairs', 0));
    await command('Cancel', 'cancelled');
    released.resolve();
    const { history } = await command('Result', 'cancelled');
    assert.equal(history?.events[0]?.eventType, 'EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED');
  });

  it('report an unknown run', async () => {
    assert.match((await command('Progress', 'nobody')).message ?? '', /workflow not found/);
  });

  it('are all covered by these tests', () => {
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
