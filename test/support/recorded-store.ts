/** A store created by a real server, worker and trainer, with a scripted endpoint for all models. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startEvaluation, startRun, type ConfigurationInput } from '../../src/client/index.ts';
import { startScriptedEndpoint, type Script, type ScriptedEndpoint } from './scripted-endpoint.ts';
import { startCluster, type Cluster } from './cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { isJudgeRequest, SCRIPTED_JUDGE_PROMPT } from './scripted-run.ts';
import { untilListed } from './until-listed.ts';
import { scriptedAnswers, tinyConfiguration, judgeWithoutVerdict } from './tiny-run.ts';

export interface RecordedStore {
  readonly cluster: Cluster;
  readonly endpoint: ScriptedEndpoint;
  /** Of the run `first`. */
  readonly first: ConfigurationInput;
  close(): Promise<void>;
}

/**
 * M_0 of `first` gives no verdicts in its evaluation, so that M_1 is the best judge; that of `broken` gives none
 * when it judges training pairs.
 */
const script: Script = (request) => {
  const { model, n = 1 } = request.body;
  const isUndecided = n === 1 ? model === 'judge-0' : model === 'broken-0';
  return isUndecided && isJudgeRequest(request.body)
    ? judgeWithoutVerdict(request)
    : scriptedAnswers(request);
};

const sampling = { temperature: 0, topP: 1, maxTokens: 2048 };

const benchmark = (name: string, path: string) => ({
  name,
  format: 'reward-bench' as const,
  path,
  purpose: 'test' as const,
});

/**
 * Creates `first` (two iterations, the first one the best), `broken` (another seed, asked with fewer tokens, a benchmark whose
 * first row was changed, one that `first` lacks; it fails because it has no training examples) and `nightly`, an evaluation of the
 * best judge of `first`.
 */
export async function recordStore(): Promise<RecordedStore> {
  const endpoint = await startScriptedEndpoint({ script });
  const cluster = await startCluster();
  cluster.startWorker();
  const validation = 'embedded/benchmark/validation.jsonl';
  const changed = join(cluster.storeRoot, '..', 'changed.jsonl');
  const [firstRow = '', ...rows] = (await readFile(join(packageRoot, validation), 'utf8')).split('\n');
  const row = JSON.parse(firstRow) as { prompt: string };
  await writeFile(changed, [JSON.stringify({ ...row, prompt: `${row.prompt} Now.` }), ...rows].join('\n'));

  const base = tinyConfiguration('first', endpoint.baseUrl);
  const first: ConfigurationInput = {
    ...base,
    iterations: 2,
    evaluation: {
      ...base.evaluation,
      sampling,
      benchmarks: [...base.evaluation.benchmarks, benchmark('own', validation)],
    },
  };
  const broken: ConfigurationInput = {
    ...base,
    runName: 'broken',
    seed: 7,
    serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: 'broken-{iteration}' },
    evaluation: {
      ...base.evaluation,
      sampling: { ...sampling, maxTokens: 512 },
      benchmarks: [
        { ...benchmark('validation', changed), purpose: 'validation' },
        benchmark('same-file', validation),
        benchmark('lonely', 'embedded/benchmark/test.jsonl'),
      ],
    },
  };
  const nightly = {
    runName: 'nightly',
    model: { checkpoint: 'run:first/best' },
    serving: { kind: 'endpoint' as const, baseUrl: endpoint.baseUrl, servedModelName: 'judge-1' },
    evaluation: {
      prompt: SCRIPTED_JUDGE_PROMPT,
      sampling,
      benchmarks: [benchmark('validation', validation)],
    },
  };
  const [finished] = await Promise.all([
    startRun(cluster.client, first).then((run) => run.result()),
    startRun(cluster.client, broken).then((run) => run.result().catch(() => undefined)),
  ]);
  if (finished.best !== 1) throw new Error(`the best judge is M_${finished.best}, and was to be M_1`);
  await (await startEvaluation(cluster.client, nightly)).result();
  await untilListed(cluster.client, 'first', 'COMPLETED');
  await untilListed(cluster.client, 'broken', 'FAILED');
  await untilListed(cluster.client, 'nightly', 'COMPLETED');
  return {
    cluster,
    endpoint,
    first,
    async close() {
      await cluster.close();
      await endpoint.close();
    },
  };
}
