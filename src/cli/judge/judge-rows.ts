/** Judges the rows of a file for the command `judge`, whatever their task. */
import { basename, resolve } from 'node:path';
import { missingVerdictAdvice } from '../../method/missing-verdict.ts';
import type { VotingOptions } from '../../method/pair-comparison.ts';
import { createInferenceClient } from '../../models/inference/client.ts';
import { servingDriverOf } from '../../models/serving/drivers/registry.ts';
import { DIRECT_REQUEST, type DirectJudging } from '../../pair-judging/direct-verdict.ts';
import type { FileTask } from '../../pair-judging/file-task.ts';
import { askAtEndpoints } from '../../pair-judging/judge-pair.ts';
import { countRows, type FileJudgingProgress, runFileJudging } from '../../pair-judging/run-file-judging.ts';
import { cacheFolder } from '../../platform/cache-folder.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { quantity } from '../../platform/quantity.ts';
import type { Fingerprint } from '../../store/artifact.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import type { ExitReason } from '../core/exit-codes.ts';
import { printError, printResult } from '../core/output.ts';
import { fileProgressDisplay } from './file-progress-display.ts';
import type { ResolvedJudge } from './resolve-judge.ts';
import { serveJudge, type ServedJudge } from './serve-judge.ts';

export const RETRY_ADVICE =
  'Fix the cause; the same command then sends them again. --max-refused-share sets how many may be refused.';

interface RowsCommand {
  readonly out?: string | undefined;
  readonly concurrency: number;
  readonly maxRefusedShare: number;
  readonly json: boolean;
}

interface RowsJudging<Figures> {
  readonly command: RowsCommand;
  readonly file: string;
  readonly store: ArtifactStore;
  readonly resolved: ResolvedJudge;
  readonly voting: VotingOptions;
  readonly signal: AbortSignal;
  readonly onServed: (served: ServedJudge) => void;
  readonly task: FileTask<Figures>;
  readonly fingerprintOf: () => Promise<Fingerprint>;
  /** Set if pairs are first asked about without reasoning. */
  readonly direct: DirectJudging | undefined;
  /** The figures for a person, with what to know of them. */
  readonly describe: (figures: Figures) => readonly string[];
  /** The form of a verdict, for advice; that of pairs if undefined. */
  readonly verdictForm: string | undefined;
}

/** Judges the rows of a file, whatever their task, and prints the figures. */
export async function judgeRows<
  Figures extends { readonly withoutVerdict?: Readonly<Record<string, number>> },
>(judging: RowsJudging<Figures>): Promise<ExitReason> {
  const { command, file, store, resolved, voting, signal, onServed, task, direct, verdictForm } = judging;
  const { concurrency, maxRefusedShare, json } = command;
  const environment = process.env;
  const out = resolve(
    command.out ?? `${basename(file).replace(/(\.(jsonl|json|parquet))?(\.gz)?$/, '')}.verdicts.jsonl`,
  );
  const { one, many } = task.noun;
  const { rows, requests } = await countRows(file, task);
  const { votes } = voting;
  printError(
    `${resolved.name} judges ${quantity(rows, one, many)} of ${file}: ${quantity(requests, 'request')}${votes === 1 ? '' : ` of ${votes} votes each`}` +
      `${direct === undefined ? '' : `, fewer if the ${2 * rows} short ones for direct verdicts are sure enough`}. ` +
      `Verdicts: ${out}`,
  );
  const display = fileProgressDisplay(process.stderr, environment, many);
  const inference = createInferenceClient({
    concurrency: { minimum: 1, maximum: concurrency },
    requestTimeoutSeconds: 1800,
    retry: { attempts: 8, initialSeconds: 0.5, maximumSeconds: 8 },
    environment,
    onNotice: (notice) => display.say(notice),
  });
  const startJudge = async () => {
    const { serving } = resolved.served;
    const driver = servingDriverOf(serving);
    if (driver.needsMachine) printError(`Starting its server: ${driver.describe(serving)}`);
    const cache = cacheFolder(environment, process.platform);
    const folders = { storeRoot: store.objects.localRoot, packageRoot, cacheFolder: cache, environment };
    const { sampling, votes: samples } = voting;
    const served = await serveJudge(
      resolved,
      folders,
      [{ sampling, samples }, ...(direct === undefined ? [] : [DIRECT_REQUEST])],
      signal,
    );
    onServed(served);
    signal.throwIfAborted();
    return askAtEndpoints(inference, served.endpoints, signal);
  };
  const job = {
    ...{ file, out, task, signal, startJudge, concurrency, maxRefusedShare },
    fingerprint: await judging.fingerprintOf(),
    onProgress: (progress: FileJudgingProgress) => display.show(progress),
    onWait: (processId: number) =>
      printError(`Process ${processId} is writing the same file: waiting until it has ended.`),
  };
  const { figures, refused } = await runFileJudging(job, rows).finally(() => display.close());
  await inference.close();
  printResult(json, { out, ...figures }, () =>
    [
      ...judging.describe(figures),
      ...missingVerdictAdvice(figures.withoutVerdict ?? {}, verdictForm),
      `\nVerdicts: ${out}`,
    ].join('\n'),
  );
  if (refused === undefined) return 'done';
  printError(
    `The endpoint refused ${refused.count} of the ${rows} ${many}, row ${refused.row} with: ${refused.detail}\n${RETRY_ADVICE}`,
  );
  return 'failed';
}
