/**
 * `npm run bench:learning`: checks that the embedded judge improves with every seed. Runs the embedded example with several
 * seeds, and prints each judge's figures on the test benchmark.
 *
 *   npm run bench:learning -- --seeds 5 --json
 *   npm run bench:learning -- --config temporal/inputs/embedded-dpo.json
 *   npm run bench:learning -- --min-reasoning 5
 *
 * It also prints what the training sets teach: judgments that work the answer out and whose text supports the verdict, and guesses.
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
import type { SftRecord } from '../src/models/training/recipes/sft.ts';
import { runUris } from '../src/runs/run-layout.ts';
import { toReference } from '../src/store/artifact.ts';
import { openStore, type ArtifactStore } from '../src/store/artifact-store.ts';
import { localServerEnvironment } from '../src/temporal/settings.ts';

/** The minimum improvements from M_0 to the last judge, in accuracy and in accuracy in both orders. */
const GOAL = { accuracy: 0.15, positionConsistentAccuracy: 0.3 };

interface SeedFigures {
  readonly seed: number;
  /** The figures on the test benchmark, M_0 first. */
  readonly accuracy: number[];
  readonly positionConsistentAccuracy: number[];
  /** The training sets, that of M_1 first. */
  readonly trainingSets: TrainingSetFigures[];
  readonly seconds: number;
  readonly learned: boolean;
}

/** Numbers of judgments in a training set. */
interface TrainingSetFigures {
  readonly judgments: number;
  /** Those that work an answer out. */
  readonly reasoned: number;
  /** Those of them whose text leads to their verdict. */
  readonly supported: number;
}

/**
 * A judgment that works the answer out, as embedded/domain.py writes it: the answer, the responses, the answer again beside the side
 * that has it, and the verdict.
 */
const REASONED =
  /^The answer is (?<answer>.+?)\. (?<a>.+?) \(A\), (?<b>.+?) \(B\)\. So (?<found>.+?) \((?<side>[AB])\)\. \[\[(?<verdict>[AB])\]\]$/;

/** Whether a judgment's text leads to its verdict; undefined for a guess. It restates the responses of the prompt and names the one that is the answer. */
function isSupported(prompt: string, judgment: string): boolean | undefined {
  const { answer, a, b, found, side, verdict } = REASONED.exec(judgment.trim())?.groups ?? {};
  if (answer === undefined) return undefined;
  const responses = { A: a, B: b };
  return (
    prompt.endsWith(`(A) ${a} (B) ${b}`) &&
    found === answer &&
    side === verdict &&
    responses[verdict as keyof typeof responses] === answer
  );
}

async function trainingSetFigures(
  store: ArtifactStore,
  run: string,
  iteration: number,
): Promise<TrainingSetFigures> {
  const manifest = await store.readManifest(runUris.trainingSet(run, iteration));
  const rows =
    manifest === undefined ? [] : await store.readRecords<Partial<SftRecord>>(toReference(manifest));
  const support = rows.map(({ prompt, completion }) =>
    isSupported(prompt?.at(-1)?.content ?? '', completion?.[0]?.content ?? ''),
  );
  return {
    judgments: rows.length,
    reasoned: support.filter((supported) => supported !== undefined).length,
    supported: support.filter((supported) => supported === true).length,
  };
}

async function runSeed(
  client: Client,
  store: ArtifactStore,
  example: ConfigurationInput,
  seed: number,
): Promise<SeedFigures> {
  const began = Date.now();
  const runName = `learning-${seed}`;
  const run = await startRun(client, { ...example, runName, seed });
  const { iterations } = await run.result();
  const test = iterations.map(({ evaluations }) => evaluations.find(({ purpose }) => purpose === 'test'));
  const figures = (field: keyof typeof GOAL) =>
    test.map((evaluation?: EvaluationSummary) => evaluation?.[field] ?? NaN);
  const gained = (field: keyof typeof GOAL) => (figures(field).at(-1) ?? NaN) - (figures(field)[0] ?? NaN);
  return {
    seed,
    accuracy: figures('accuracy'),
    positionConsistentAccuracy: figures('positionConsistentAccuracy'),
    trainingSets: await Promise.all(
      iterations
        .filter(({ iteration }) => iteration > 0)
        .map(({ iteration }) => trainingSetFigures(store, runName, iteration)),
    ),
    seconds: (Date.now() - began) / 1000,
    learned:
      gained('accuracy') >= GOAL.accuracy &&
      gained('positionConsistentAccuracy') >= GOAL.positionConsistentAccuracy,
  };
}

function tableOf(rows: readonly SeedFigures[]): string {
  const table = new Table({
    head: [
      'seed',
      'accuracy M_0, M_1, ...',
      'in both orders',
      'trained on',
      'reasoned',
      'supported',
      'learned',
      'seconds',
    ],
    style: { head: [], border: [] },
  });
  const shares = (values: readonly number[]) => values.map((value) => (100 * value).toFixed(1)).join('  ');
  for (const { seed, accuracy, positionConsistentAccuracy, trainingSets, learned, seconds } of rows) {
    table.push([
      seed,
      shares(accuracy),
      shares(positionConsistentAccuracy),
      trainingSets.map(({ judgments }) => judgments).join('  '),
      shares(trainingSets.map(({ judgments, reasoned }) => reasoned / judgments)),
      shares(trainingSets.map(({ reasoned, supported }) => supported / reasoned)),
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
      'min-reasoning': { type: 'string' },
      config: { type: 'string', default: join(import.meta.dirname, '../temporal/inputs/embedded.json') },
    },
  });
  const configured = JSON.parse(await readFile(resolve(values.config), 'utf8')) as ConfigurationInput;
  const minReasoning = values['min-reasoning'];
  const example: ConfigurationInput =
    minReasoning === undefined
      ? configured
      : { ...configured, filtering: { ...configured.filtering, minReasoning: Number(minReasoning) } };
  const { python } = await installDependencies();
  const folder = await mkdtemp(join(tmpdir(), 'learning-'));
  const temporal = await startDevServer({
    ports: devServerPorts(process.env),
    databaseFile: join(folder, 'temporal.db'),
  });
  const connection = await Connection.connect({ address: temporal.address });
  const storeRoot = join(folder, 'runs');
  const store = openStore(storeRoot);
  const worker = startWorkerProcess({
    python,
    storeRoot,
    logFile: join(folder, 'worker.log'),
    environment: localServerEnvironment(temporal.address, process.env),
  });
  try {
    const rows: SeedFigures[] = [];
    for (let seed = 1; seed <= Number(values.seeds); seed += 1) {
      const client = new Client({ connection });
      const row = await Promise.race([runSeed(client, store, example, seed), worker.ended]);
      rows.push(row);
      console.error(`seed ${seed} of ${values.seeds}: ${JSON.stringify(row)}`);
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
