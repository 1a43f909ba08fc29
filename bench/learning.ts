/**
 * `npm run bench:learning`: checks that the embedded judge improves with every seed. Runs the embedded example with several
 * seeds, and prints each judge's figures on the test benchmark.
 *
 *   npm run bench:learning -- --seeds 5 --json
 *   npm run bench:learning -- --config temporal/inputs/embedded.json --config temporal/inputs/embedded-grpo.json
 *   npm run bench:learning -- --min-reasoning 5
 *
 * It also prints what the training sets teach: judgments that work the answer out and whose text supports the verdict, and guesses.
 * The last table compares the configurations (docs/recipes.md): the means over the seeds, with the lowest and the highest.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import Table from 'cli-table3';
import { startWorkerProcess } from '../src/cli/worker/worker-process.ts';
import { devServerPorts, startDevServer } from '../src/cli/temporal/dev-server.ts';
import { installDependencies } from '../src/cli/setup/install-dependencies.ts';
import { runTool } from '../tools/setup/run-tool.ts';
import {
  startRun,
  type ConfigurationInput,
  type EvaluationSummary,
  type RunResult,
} from '../src/client/index.ts';
import type { SftRecord } from '../src/models/training/recipes/sft.ts';
import { runUris } from '../src/runs/run-layout.ts';
import { toReference } from '../src/store/artifact.ts';
import { openStore, type ArtifactStore } from '../src/store/artifact-store.ts';
import { localServerEnvironment } from '../src/temporal/settings.ts';

/** The minimum improvements from M_0 to the last judge, in accuracy and in accuracy in both orders. */
const GOAL = { accuracy: 0.15, positionConsistentAccuracy: 0.3 };

interface SeedFigures {
  readonly config: string;
  readonly seed: number;
  /** The figures on the first test benchmark, M_0 first. */
  readonly accuracy: number[];
  readonly positionConsistentAccuracy: number[];
  /** The judge that validation chose. */
  readonly best: number;
  /** The judges on every test benchmark, M_0 first. */
  readonly judges: JudgeFigures[][];
  /** The training sets, that of M_1 first. */
  readonly trainingSets: TrainingSetFigures[];
  readonly seconds: number;
  readonly learned: boolean;
}

/** A judge on a test benchmark. */
interface JudgeFigures {
  readonly benchmark: string;
  readonly accuracy: number;
  readonly positionConsistentAccuracy: number;
  /** Generated tokens for each verdict. */
  readonly tokens: number;
  /** The running time of the trainers of this judge and of those before it. */
  readonly trainingSeconds: number;
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
  { config, example }: { readonly config: string; readonly example: ConfigurationInput },
  seed: number,
): Promise<SeedFigures> {
  const began = Date.now();
  const runName = `learning-${config}-${seed}`;
  const run = await startRun(client, { ...example, runName, seed });
  const { iterations, best } = await run.result();
  const test = iterations.map(({ evaluations }) => evaluations.find(({ purpose }) => purpose === 'test'));
  const figures = (field: keyof typeof GOAL) =>
    test.map((evaluation?: EvaluationSummary) => evaluation?.[field] ?? NaN);
  const gained = (field: keyof typeof GOAL) => (figures(field).at(-1) ?? NaN) - (figures(field)[0] ?? NaN);
  return {
    config,
    seed,
    best,
    judges: judgesOf(iterations),
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

function judgesOf(iterations: RunResult['iterations']): JudgeFigures[][] {
  let trainingSeconds = 0;
  return iterations.map(({ evaluations, training }) => {
    trainingSeconds += training?.seconds ?? 0;
    return evaluations
      .filter(({ purpose }) => purpose === 'test')
      .map(({ benchmark, accuracy, positionConsistentAccuracy, tokens, requests }) => ({
        ...{ benchmark, accuracy, positionConsistentAccuracy, trainingSeconds },
        tokens: (tokens?.completion ?? NaN) / (requests ?? NaN),
      }));
  });
}

function tableOf(rows: readonly SeedFigures[]): string {
  const table = new Table({
    head: [
      'configuration',
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
  // Rounds of reinforcement have no texts of judgments, and a set may have none that is reasoned.
  const shares = (values: readonly number[]) =>
    values.map((value) => (Number.isNaN(value) ? '-' : (100 * value).toFixed(1))).join('  ');
  for (const { config, seed, accuracy, positionConsistentAccuracy, trainingSets, learned, seconds } of rows) {
    table.push([
      config,
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

/** Compares the configurations: the judge that validation chose in each seed, and the last one. */
function comparisonOf(rows: readonly SeedFigures[]): string {
  const table = new Table({
    head: [
      'configuration',
      'judge',
      'benchmark',
      'seeds',
      'accuracy',
      'in both orders',
      'tokens a verdict',
      's of training',
    ],
    style: { head: [], border: [] },
  });
  const spread = (values: readonly number[], decimals = 1) =>
    `${(values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(decimals)} (${Math.min(...values).toFixed(decimals)} to ${Math.max(...values).toFixed(decimals)})`;
  for (const [config, seeds] of Map.groupBy(rows, (row) => row.config)) {
    for (const judge of ['best', 'last'] as const) {
      const judges = seeds.flatMap(
        ({ judges: all, best }) => (judge === 'best' ? all[best] : all.at(-1)) ?? [],
      );
      for (const [benchmark, figures] of Map.groupBy(judges, (row) => row.benchmark)) {
        table.push([
          ...[config, judge, benchmark, figures.length],
          spread(figures.map(({ accuracy }) => 100 * accuracy)),
          spread(figures.map(({ positionConsistentAccuracy }) => 100 * positionConsistentAccuracy)),
          spread(figures.map(({ tokens }) => tokens)),
          spread(
            figures.map(({ trainingSeconds }) => trainingSeconds),
            0,
          ),
        ]);
      }
    }
  }
  return table.toString();
}

await runTool(async () => {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
      'min-reasoning': { type: 'string' },
      config: {
        type: 'string',
        multiple: true,
        default: [join(import.meta.dirname, '../temporal/inputs/embedded.json')],
      },
    },
  });
  const minReasoning = values['min-reasoning'];
  const configurations = await Promise.all(
    values.config.map(async (file) => {
      const configured = JSON.parse(await readFile(resolve(file), 'utf8')) as ConfigurationInput;
      const example: ConfigurationInput =
        minReasoning === undefined
          ? configured
          : { ...configured, filtering: { ...configured.filtering, minReasoning: Number(minReasoning) } };
      return { config: basename(file, '.json'), example };
    }),
  );
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
    for (const configuration of configurations) {
      for (let seed = 1; seed <= Number(values.seeds); seed += 1) {
        const client = new Client({ connection });
        const row = await Promise.race([runSeed(client, store, configuration, seed), worker.ended]);
        rows.push(row);
        console.error(`${row.config}, seed ${seed} of ${values.seeds}: ${JSON.stringify(row)}`);
      }
    }
    const learned = rows.filter((row) => row.learned).length;
    console.error(tableOf(rows));
    console.error(comparisonOf(rows));
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
