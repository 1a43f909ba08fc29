/**
 * `npm run bench:learning`: checks that the embedded judge improves with every seed. Runs the embedded example with several
 * seeds, and prints each judge's figures on the test benchmark.
 *
 *   npm run bench:learning -- --seeds 5 --json
 *   npm run bench:learning -- --config temporal/inputs/embedded-dpo.json
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import Table from 'cli-table3';
import { startWorkerProcess } from '../src/cli/worker/worker-process.ts';
import { devServerPorts, startDevServer } from '../src/cli/temporal/dev-server.ts';
import { installDependencies } from '../src/cli/setup/install-dependencies.ts';
import { runTool } from '../tools/setup/run-tool.ts';
import { startRun, type ConfigurationInput, type EvaluationSummary } from '../src/client/index.ts';
import { localServerEnvironment } from '../src/temporal/settings.ts';

/** The minimum improvements from M_0 to the last judge, in accuracy and in accuracy in both orders. */
const GOAL = { accuracy: 0.15, positionConsistentAccuracy: 0.3 };

interface SeedFigures {
  readonly seed: number;
  /** The figures on the test benchmark, M_0 first. */
  readonly accuracy: number[];
  readonly positionConsistentAccuracy: number[];
  readonly seconds: number;
  readonly learned: boolean;
}

async function runSeed(client: Client, example: ConfigurationInput, seed: number): Promise<SeedFigures> {
  const began = Date.now();
  const run = await startRun(client, { ...example, runName: `learning-${seed}`, seed });
  const { iterations } = await run.result();
  const test = iterations.map(({ evaluations }) => evaluations.find(({ purpose }) => purpose === 'test'));
  const figures = (field: keyof typeof GOAL) =>
    test.map((evaluation?: EvaluationSummary) => evaluation?.[field] ?? NaN);
  const gained = (field: keyof typeof GOAL) => (figures(field).at(-1) ?? NaN) - (figures(field)[0] ?? NaN);
  return {
    seed,
    accuracy: figures('accuracy'),
    positionConsistentAccuracy: figures('positionConsistentAccuracy'),
    seconds: (Date.now() - began) / 1000,
    learned:
      gained('accuracy') >= GOAL.accuracy &&
      gained('positionConsistentAccuracy') >= GOAL.positionConsistentAccuracy,
  };
}

function tableOf(rows: readonly SeedFigures[]): string {
  const table = new Table({
    head: ['seed', 'accuracy M_0, M_1, ...', 'in both orders', 'learned', 'seconds'],
    style: { head: [], border: [] },
  });
  const shares = (values: readonly number[]) => values.map((value) => (100 * value).toFixed(1)).join('  ');
  for (const { seed, accuracy, positionConsistentAccuracy, learned, seconds } of rows) {
    table.push([
      seed,
      shares(accuracy),
      shares(positionConsistentAccuracy),
      learned ? 'yes' : 'no',
      seconds.toFixed(0),
    ]);
  }
  return table.toString();
}

await runTool(async () => {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
      config: { type: 'string', default: join(import.meta.dirname, '../temporal/inputs/embedded.json') },
    },
  });
  const example = JSON.parse(await readFile(resolve(values.config), 'utf8')) as ConfigurationInput;
  const { python } = await installDependencies();
  const folder = await mkdtemp(join(tmpdir(), 'learning-'));
  const temporal = await startDevServer({
    ports: devServerPorts(process.env),
    databaseFile: join(folder, 'temporal.db'),
  });
  const connection = await Connection.connect({ address: temporal.address });
  const worker = startWorkerProcess({
    python,
    storeRoot: join(folder, 'runs'),
    logFile: join(folder, 'worker.log'),
    environment: localServerEnvironment(temporal.address, process.env),
  });
  try {
    const rows: SeedFigures[] = [];
    for (let seed = 1; seed <= Number(values.seeds); seed += 1) {
      rows.push(await Promise.race([runSeed(new Client({ connection }), example, seed), worker.ended]));
      console.error(`seed ${seed} of ${values.seeds}`);
    }
    const learned = rows.filter((row) => row.learned).length;
    console.error(tableOf(rows));
    console.error(
      `${learned} of ${rows.length} seeds gained ${100 * GOAL.accuracy} points of accuracy and ${100 * GOAL.positionConsistentAccuracy} in both orders.`,
    );
    if (values.json) console.log(JSON.stringify(rows));
  } finally {
    await worker.stop();
    await connection.close();
    await temporal.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
