/**
 * `npm run bench:sampling`: measures the cost of a kept example by sampling strategy. The embedded judge judges the same pairs
 * once with all N samples and once until the first correct one. Both use the same seeds, so they keep the same examples.
 *
 *   npm run bench:sampling -- --instructions 200 --samples 15 --json
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { installDependencies } from '../src/cli/setup/install-dependencies.ts';
import { runTool } from '../tools/setup/run-tool.ts';
import { completeStage } from '../src/activities/complete-stage.ts';
import { filterJudgments } from '../src/activities/filter-judgments.ts';
import { generatePairs } from '../src/activities/generate-pairs.ts';
import { judgePairs } from '../src/activities/judge-pairs.ts';
import type { ServedModel } from '../src/api/activity-types.ts';
import { readShardedRecords } from '../src/store/shards.ts';
import { readPrompt } from '../src/runs/read-prompt.ts';
import type { ConfigurationInput } from '../src/config/run-configuration.ts';
import { stableHash } from '../src/platform/stable-hash.ts';
import { asActivity, startTestRun } from '../test/support/test-run.ts';

const root = join(import.meta.dirname, '..');
const STRATEGIES = {
  all: { kind: 'all' },
  'until-correct, waves from 1': { kind: 'until-correct', initialBatchSize: 1 },
  'until-correct, waves from 2': { kind: 'until-correct', initialBatchSize: 2 },
  'until-correct, waves from 4': { kind: 'until-correct', initialBatchSize: 4 },
  'until-correct, also wrong': { kind: 'until-correct', initialBatchSize: 1, also: 'incorrect' },
} as const;

interface Cost {
  readonly strategy: string;
  readonly kept: number;
  readonly judgments: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly tokensPerKept: number;
  /** The ratio to the tokens of the strategy `all`. */
  readonly ratio: number;
  readonly seconds: number;
}

/** Starts the server of the embedded model; the caller stops it. */
async function startServer(python: string): Promise<{ baseUrl: string; stop: () => void }> {
  const server = spawn(python, [
    join(root, 'embedded/server.py'),
    '--port',
    '0',
    '--root',
    join(root, 'embedded'),
  ]);
  let output = '';
  for await (const chunk of server.stderr.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    const url = /http:\/\/[\d.]+:\d+/.exec(output)?.[0];
    if (url === undefined) continue;
    // The output is read because a full pipe would block the server.
    server.stderr.resume();
    return { baseUrl: `${url}/v1`, stop: () => server.kill() };
  }
  throw new Error(`the embedded server ended: ${output}`);
}

await runTool(async () => {
  const { values } = parseArgs({
    options: {
      instructions: { type: 'string', default: '200' },
      samples: { type: 'string', default: '15' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const [maximum, samples, seed] = [values.instructions, values.samples, values.seed].map(Number) as [
    number,
    number,
    number,
  ];
  const { python } = await installDependencies();
  const example = JSON.parse(
    await readFile(join(root, 'temporal/inputs/embedded.json'), 'utf8'),
  ) as ConfigurationInput;
  const files = { roots: [root] };
  const prompt = (name: string) => readPrompt(files, `prompts/compact/${name}`, []);
  const prompts = {
    respond: await prompt('respond'),
    similar: await prompt('similar'),
    judge: await prompt('judge'),
    training: await prompt('judge'),
  };
  const start = (changes: Partial<ConfigurationInput>) =>
    startTestRun({ seed, pairs: example.pairs, filtering: { minExamples: 1 }, ...changes }, prompts);

  const lines = (await readFile(join(root, 'embedded/instructions.jsonl'), 'utf8')).trim().split('\n');
  const instructions = lines.slice(0, maximum).map((line) => {
    const { instruction } = JSON.parse(line) as { instruction: string };
    return { id: stableHash(instruction), instruction };
  });
  const server = await startServer(python);
  const checkpoint = join(root, 'embedded/model');
  const model: ServedModel = {
    checkpoint,
    sha256: 'M_0',
    baseUrl: server.baseUrl,
    servedModelName: checkpoint,
  };
  try {
    const making = await start({});
    const input = await making.publish('test/instructions', instructions, maximum);
    await asActivity(() =>
      generatePairs(making.deps, { run: making.run, iteration: 0, model, input, shard: 0 }),
    );
    const made = { run: making.run, stage: 'generatePairs', iteration: 0, shards: 1 } as const;
    const { artifact } = await asActivity(() => completeStage(making.deps, made));
    const pairs = await Array.fromAsync(readShardedRecords(making.deps.store, artifact));
    await making.close();

    const costs: Cost[] = [];
    for (const [name, strategy] of Object.entries(STRATEGIES)) {
      const bench = await start({
        judging: { ...example.judging, samples, strategy },
      });
      const { deps, run } = bench;
      const began = Date.now();
      const published = await bench.publish('test/pairs', pairs, pairs.length);
      const judging = { run, iteration: 1, model, input: published, shard: 0 };
      const { counts } = await asActivity(() => judgePairs(deps, judging));
      const seconds = (Date.now() - began) / 1000;
      const judged = { run, stage: 'judgePairs', iteration: 1, shards: 1 } as const;
      const { artifact: judgments } = await asActivity(() => completeStage(deps, judged));
      const filtered = await asActivity(() =>
        filterJudgments(deps, { run, iteration: 1, pairs: published, judgments }),
      );
      const count = (of: string) => counts[of] ?? 0;
      const [promptTokens, completionTokens] = [count('promptTokens'), count('completionTokens')];
      const kept = filtered.counts['kept'] ?? 0;
      const tokensPerKept = (promptTokens + completionTokens) / kept;
      const ratio = tokensPerKept / (costs[0]?.tokensPerKept ?? tokensPerKept);
      const judgmentCount = count('judgments');
      costs.push({
        strategy: name,
        kept,
        judgments: judgmentCount,
        promptTokens,
        completionTokens,
        tokensPerKept,
        ratio,
        seconds,
      });
      await bench.close();
    }
    const table = new Table({
      head: [
        'strategy',
        'examples kept',
        'judgments',
        'prompt',
        'generated',
        'tokens/kept',
        'ratio',
        'seconds',
      ],
      style: { head: [], border: [] },
    });
    for (const cost of costs) {
      const { strategy, kept, judgments, promptTokens, completionTokens, tokensPerKept, ratio, seconds } =
        cost;
      const figures = [tokensPerKept.toFixed(1), ratio.toFixed(3), seconds.toFixed(1)];
      table.push([strategy, kept, judgments, promptTokens, completionTokens, ...figures]);
    }
    console.error(`${pairs.length} pairs in both orders, N = ${samples}\n${table.toString()}`);
    if (values.json) console.log(JSON.stringify({ pairs: pairs.length, samples, costs }));
  } finally {
    server.stop();
  }
});
