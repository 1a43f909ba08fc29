import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { InputProblem } from '../../src/artifacts/errors.ts';
import { publish } from '../../src/config/publish.ts';
import { exportPlan, type ExportPlan } from '../../src/runs/export-plan.ts';
import { writeExport } from '../../src/runs/export-folder.ts';
import { pushExport } from '../../src/runs/push-export.ts';
import type { StoredEvaluating, StoredRun } from '../../src/runs/stored-run.ts';
import { CommandError } from '../cli/command-error.ts';
import type { Ending } from '../cli/exit-codes.ts';
import { storedRunNamed } from './judge-named.ts';
import { storeAt } from './places.ts';
import { sayingItAll } from './saying-it-all.ts';

export interface ExportOptions {
  readonly run: string;
  readonly store: string;
  readonly iteration?: number | undefined;
  readonly out?: string | undefined;
  readonly push?: string | undefined;
  readonly public?: boolean | undefined;
  readonly json: boolean;
}

/** @throws CommandError that says what is missing, or in the way */
export function exportRun(options: ExportOptions): Promise<Ending> {
  return sayingItAll(async () => {
    const { iteration, json } = options;
    if (iteration !== undefined && !(Number.isInteger(iteration) && iteration >= 1))
      throw new CommandError(
        'usage',
        `--iteration is ${iteration}, and must be a whole number from 1: M_0 is the seed model, which the run did not make.`,
      );
    const stopping = new AbortController();
    const stop = () => stopping.abort();
    process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
    const store = storeAt(options.store);
    const run = await storedRunNamed(store, options.run);
    const there = run.judges.map((judge) => judge.iteration).filter((each) => each > 0);
    if (iteration !== undefined && !there.includes(iteration))
      throw new CommandError(
        'not-found',
        `${run.runName} has no trained and evaluated judge of iteration ${iteration}` +
          `${there.length === 0 ? '' : `; it has those of ${there.join(', ')}`}.`,
      );
    try {
      if (options.push !== undefined) {
        const { plan, pushed } = await push(run, options.push, options, stopping.signal);
        console.log(
          json
            ? JSON.stringify({ ...about(plan), pushed })
            : pushed
                .map(({ type, name, commit }) => `${describe(plan)}: ${type} ${name} at ${commit}`)
                .join('\n'),
        );
        return 'done';
      }
      const plan = await exportPlan(store, files, run, iteration);
      sayWithoutJudge(plan);
      const out = options.out ?? `${plan.runName}-M_${plan.iteration}`;
      const { folder, copied, kept, files: hashes } = await writeExport(store, plan, out, stopping.signal);
      console.log(
        json
          ? JSON.stringify({ ...about(plan), folder, copied, kept, files: hashes })
          : `${describe(plan)} is in ${folder}: ${copied} files copied, ${kept} were there already; all checked by hash.`,
      );
      return 'done';
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
      console.error('Stopped. The same command goes on from here.');
      return 'interrupted';
    }
  });
}

/** Where relative paths of a configuration begin, to tell a folder from a model of the hub. */
const files = { roots: [process.cwd(), resolve(import.meta.dirname, '..', '..')] };

async function push(run: StoredRun, repository: string, options: ExportOptions, signal: AbortSignal) {
  const store = storeAt(options.store);
  const asked = publish.safeParse({
    model: repository,
    dataset: repository,
    private: options.public !== true,
  });
  if (!asked.success)
    throw new CommandError(
      'usage',
      `--push is ${JSON.stringify(repository)}: a repository of the hub is written "owner/name".`,
    );
  const token = process.env['HF_TOKEN'] ?? '';
  if (!token.startsWith('hf_'))
    throw new InputProblem('HF_TOKEN must hold a token of the hub that may write; those begin with "hf_"');
  // The cards name the repositories that they are pushed to.
  const published: StoredRun =
    run.kind === 'judging' || run.resolved === undefined || !('fineTuning' in run.resolved.configuration)
      ? run
      : {
          ...run,
          resolved: {
            ...run.resolved,
            configuration: { ...run.resolved.configuration, publish: asked.data },
          } as StoredEvaluating['resolved'],
        };
  const plan = await exportPlan(store, files, published, options.iteration);
  sayWithoutJudge(plan);
  const url = process.env['HF_ENDPOINT'] || 'https://huggingface.co';
  const scratch = await mkdtemp(join(tmpdir(), 'export-'));
  try {
    const target = { url, token, name: repository, revision: 'main', private: options.public !== true };
    return { plan, pushed: await pushExport(plan, target, scratch, signal) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function about({ runName, iteration, modelSha256 }: ExportPlan) {
  return { runName, iteration, model: modelSha256 ?? null };
}

function describe({ runName, iteration, modelSha256 }: ExportPlan): string {
  return modelSha256 === undefined ? `What ${runName} has made` : `M_${iteration} of ${runName}`;
}

function sayWithoutJudge({ runName, modelSha256 }: ExportPlan): void {
  if (modelSha256 === undefined)
    console.error(
      `No judge of ${runName} is better than its seed model, which is not the run's to hand on: only the training sets are exported. --iteration N takes a judge all the same.`,
    );
}
