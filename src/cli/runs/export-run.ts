import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidInput } from '../../platform/invalid-input.ts';
import { publishSchema } from '../../config/publish.ts';
import { quantity } from '../../platform/quantity.ts';
import { exportPlan, type ExportPlan } from '../../reporting/exports/export-plan.ts';
import { writeExport } from '../../reporting/exports/export-folder.ts';
import { pushExport } from '../../reporting/exports/push-export.ts';
import { isTrainingRun } from '../../runs/open-run.ts';
import type { StoredRun } from '../../runs/stored-run.ts';
import { CommandError } from '../core/command-error.ts';
import type { ExitReason } from '../core/exit-codes.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { stopSignal } from '../core/stop-signal.ts';
import { formatJudgeReference } from '../../runs/judge-reference.ts';
import { parseJudgeArgument, requireStoredRun } from './evaluated-judge.ts';
import { openStore } from '../../store/artifact-store.ts';
import { asCommandError } from '../core/as-command-error.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { printError, printResult } from '../core/output.ts';

export interface ExportOptions {
  /** A run, or one of its judges as `run:NAME/2`. */
  readonly judge: string;
  readonly store: string;
  readonly out?: string | undefined;
  readonly push?: string | undefined;
  readonly public?: boolean | undefined;
  readonly json: boolean;
}

/** @throws CommandError that says what is missing or prevents the export */
export function exportRun(options: ExportOptions): Promise<ExitReason> {
  return asCommandError(async () => {
    const { json } = options;
    const signal = stopSignal();
    const store = openStore(options.store);
    const { runName, which } = parseJudgeArgument(options.judge);
    const run = await requireStoredRun(store, runName);
    const iteration = which === 'best' ? undefined : trainedIteration(run, which);
    try {
      if (options.push !== undefined) {
        const { plan, pushed } = await push(run, iteration, options.push, options, signal);
        printResult(json, { ...exportSummary(plan), pushed }, () =>
          pushed
            .map(({ type, name, commit }) => `${exportTitle(plan)}: ${type} ${name} at ${commit}`)
            .join('\n'),
        );
        return 'done';
      }
      const plan = await exportPlan(store, files, run, iteration);
      warnIfNoJudge(plan);
      const out = options.out ?? `${plan.runName}-M_${plan.iteration}`;
      const { folder, copied, unchanged, files: hashes } = await writeExport(store, plan, out, signal);
      printResult(
        json,
        { ...exportSummary(plan), folder, copied, unchanged, files: hashes },
        () =>
          `${exportTitle(plan)} is in ${folder}: ${quantity(copied, 'file')} copied, ${unchanged} already there; all hashes checked.`,
      );
      return 'done';
    } catch (error) {
      if (!signal.aborted) throw error;
      printError('Stopped. The same command continues from here.');
      return 'interrupted';
    }
  });
}

/** The iteration of a judge that the run has trained and evaluated. */
function trainedIteration({ runName, judges }: StoredRun, which: 'latest' | number): number {
  const trained = judges.map(({ iteration }) => iteration).filter((iteration) => iteration > 0);
  const wanted = which === 'latest' ? Math.max(...trained) : which;
  if (trained.includes(wanted)) return wanted;
  if (wanted === 0)
    throw new CommandError('usage', `M_0 of ${runName} is its seed model, which the run did not train.`);
  throw new CommandError(
    'not-found',
    `${runName} has no trained and evaluated judge${which === 'latest' ? '' : ` of iteration ${which}`}` +
      `${trained.length === 0 ? '' : `; it has ${trained.map((each) => formatJudgeReference(runName, each)).join(', ')}`}.`,
  );
}

/** The roots of a configuration's relative paths, to distinguish a folder from a model of the hub. */
const files = { roots: [process.cwd(), packageRoot] };

async function push(
  run: StoredRun,
  iteration: number | undefined,
  repository: string,
  options: ExportOptions,
  signal: AbortSignal,
) {
  const store = openStore(options.store);
  const publish = publishSchema.safeParse({
    model: repository,
    dataset: repository,
    private: options.public !== true,
  });
  if (!publish.success)
    throw new CommandError(
      'usage',
      `--push is ${JSON.stringify(repository)}: but must be a repository of the hub, "owner/name".`,
    );
  const token = process.env['HF_TOKEN'] ?? '';
  if (!token.startsWith('hf_'))
    throw new InvalidInput(
      'HF_TOKEN must be a token of the hub with write permission; tokens begin with "hf_"',
    );
  // The cards name the repositories to which they are pushed.
  const published: StoredRun =
    run.kind === 'judging' || run.resolved === undefined || !isTrainingRun(run.resolved)
      ? run
      : {
          ...run,
          resolved: {
            ...run.resolved,
            configuration: { ...run.resolved.configuration, publish: publish.data },
          },
        };
  const plan = await exportPlan(store, files, published, iteration);
  warnIfNoJudge(plan);
  const url = process.env['HF_ENDPOINT'] || 'https://huggingface.co';
  const scratch = await mkdtemp(join(tmpdir(), 'export-'));
  try {
    const target = { url, token, name: repository, revision: 'main', private: options.public !== true };
    return { plan, pushed: await pushExport(store, plan, target, scratch, signal) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function exportSummary({ runName, iteration, modelSha256 }: ExportPlan) {
  return { runName, iteration, model: modelSha256 ?? null };
}

function exportTitle({ runName, iteration, modelSha256 }: ExportPlan): string {
  return modelSha256 === undefined ? `The training sets of ${runName}` : `M_${iteration} of ${runName}`;
}

function warnIfNoJudge({ runName, modelSha256 }: ExportPlan): void {
  if (modelSha256 === undefined)
    printError(
      `No judge of ${runName} is better than its seed model, so only the training sets are exported. "${PROGRAM_CALL} export ${formatJudgeReference(runName, 'latest')}" exports its last judge anyway.`,
    );
}
