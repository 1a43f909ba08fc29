import Table from 'cli-table3';
import { formatDuration } from '../../platform/format-duration.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { storedBytes } from '../../runs/stored-bytes.ts';
import { runRow, currentExecution, type RunRow } from '../../runs/run-list.ts';
import { readStoredRun, storedRunNames } from '../../runs/stored-run.ts';
import { formatBytes } from '../../platform/format-bytes.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import { CommandError } from '../core/command-error.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { connectIfReachable, warnIfStoreMissing } from './run-lookup.ts';
import { openStore } from '../../store/artifact-store.ts';
import { executionsByName, progressByWorkflow } from '../temporal/executions.ts';
import { printText, printJson } from '../core/output.ts';

export interface ListOptions {
  readonly store: string;
  readonly status?: readonly string[] | undefined;
  readonly json: boolean;
}

/**
 * Prints a row for each run, evaluation and judging, the newest first.
 * @throws CommandError if there is neither a store nor a Temporal server
 */
export async function listRuns({ store: storeOption, status, json }: ListOptions): Promise<void> {
  const store = openStore(storeOption);
  const { rows, hasTemporal } = await rowsOf(store);
  if (!hasTemporal && !(await store.objects.exists()))
    throw new CommandError(
      'unreachable',
      `There is neither a store at ${store.address} nor a Temporal server: set --store or SELF_TAUGHT_EVALUATOR_STORE for the ` +
        'store, TEMPORAL_ADDRESS or a profile of the Temporal CLI for the server.',
    );
  const shown =
    status === undefined ? rows : rows.filter((row) => status.some((each) => matchesStatus(row, each)));
  if (json) printJson(shown);
  else if (shown.length > 0) printText(runsTable(shown));
  else
    printText(
      rows.length === 0 ? `There are no runs. "${PROGRAM_CALL} demo" starts one.` : 'No run has this status.',
    );
}

async function rowsOf(store: ArtifactStore): Promise<{ rows: RunRow[]; hasTemporal: boolean }> {
  await warnIfStoreMissing(store);
  const temporal = await connectIfReachable(
    'The following comes from the store alone, which does not know whether a run is open.',
  );
  const executions = temporal === undefined ? new Map<string, never>() : await executionsByName(temporal);
  const names = [...new Set([...(await storedRunNames(store)), ...executions.keys()])];
  const runs = await Promise.all(
    names.map(async (name) => {
      const stored = await readStoredRun(store, name);
      const bytes = stored === undefined ? undefined : await storedBytes(store, name);
      return {
        name,
        stored,
        bytes,
        execution: currentExecution(executions.get(name) ?? [], stored),
      };
    }),
  );
  const current = runs.flatMap(({ execution }) => execution ?? []);
  const progress =
    temporal === undefined ? new Map<string, never>() : await progressByWorkflow(temporal, current);
  const rows = runs.map(({ name, execution, ...rest }) =>
    runRow(
      name,
      { ...rest, execution, progress: execution && progress.get(execution.workflowId) },
      Date.now(),
    ),
  );
  rows.sort((a, b) => ((a.startedAt ?? '') < (b.startedAt ?? '') ? 1 : -1));
  return { rows, hasTemporal: temporal !== undefined };
}

function matchesStatus({ status, foundIn }: RunRow, wanted: string): boolean {
  if (wanted === 'only-in-store') return foundIn === 'store';
  if (wanted === 'only-in-temporal') return foundIn === 'temporal';
  return status === wanted;
}

function runsTable(rows: readonly RunRow[]): string {
  const table = new Table({
    head: [
      'run',
      'status',
      'where',
      'stage',
      'best\naccuracy',
      'seed model',
      'started (UTC)',
      'took',
      'on disk',
    ],
    colAligns: ['left', 'left', 'left', 'left', 'right', 'left', 'left', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const row of rows)
    table.push([
      oneLine(row.runName),
      row.status,
      { both: 'both', store: 'only store', temporal: 'only Temporal' }[row.foundIn],
      stageOf(row),
      row.bestAccuracy === undefined ? '' : formatPercent(row.bestAccuracy),
      oneLine(shortened(row.seedModel ?? '')),
      row.startedAt?.slice(0, 16).replace('T', ' ') ?? '',
      row.seconds === undefined ? '' : formatDuration(row.seconds),
      row.bytes === undefined ? '' : formatBytes(row.bytes),
    ]);
  return table.toString();
}

function stageOf({ kind, iteration, iterations }: RunRow): string {
  const counted =
    iteration === undefined
      ? []
      : [`iteration ${iteration}${iterations === undefined ? '' : ` of ${iterations}`}`];
  return (kind === 'run' ? counted : [kind]).join(', ');
}

/** Shortens a path at its beginning, because its end is more important. */
function shortened(model: string): string {
  return model.length > 28 ? `…${model.slice(-27)}` : model;
}
