import { existsSync } from 'node:fs';
import Table from 'cli-table3';
import { duration } from '../../src/format/duration.ts';
import { percent } from '../../src/report/format.ts';
import { diskSize } from '../../src/runs/disk-size.ts';
import { runRow, tellingExecution, type RunRow } from '../../src/runs/run-list.ts';
import { readStoredRun, storedRunNames } from '../../src/runs/stored-run.ts';
import { bytes } from '../../src/format/bytes.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { CommandError } from '../cli/command-error.ts';
import { plainText } from '../follow/plain-text.ts';
import { storeAt, temporalIfThere, warnWithoutStore } from './places.ts';
import { executionsByName, progressOf } from './temporal-runs.ts';

export interface ListOptions {
  readonly store: string;
  readonly status?: readonly string[] | undefined;
  readonly json: boolean;
}

/**
 * Prints a row for each run, evaluation and judging, the newest first.
 * @throws CommandError where neither the store nor Temporal is there
 */
export async function listRuns({ store: storeOption, status, json }: ListOptions): Promise<void> {
  const store = storeAt(storeOption);
  const { rows, hasTemporal } = await rowsOf(store);
  if (!hasTemporal && !existsSync(store.root))
    throw new CommandError(
      'unreachable',
      `There is neither a store at ${store.root} nor a Temporal server: name the store by --store or ` +
        'SELF_TAUGHT_EVALUATOR_STORE, the server by TEMPORAL_ADDRESS or a profile of the Temporal CLI.',
    );
  const shown =
    status === undefined ? rows : rows.filter((row) => status.some((each) => isWanted(row, each)));
  if (json) console.log(JSON.stringify(shown));
  else if (shown.length > 0) console.log(runsTable(shown));
  else console.log(rows.length === 0 ? 'There are no runs. "npm run demo" starts one.' : 'No run stands so.');
}

async function rowsOf(store: ArtifactStore): Promise<{ rows: RunRow[]; hasTemporal: boolean }> {
  warnWithoutStore(store);
  const temporal = await temporalIfThere(
    'What follows is from the store alone: it does not know what is under way.',
  );
  const executions = temporal === undefined ? new Map<string, never>() : await executionsByName(temporal);
  const names = [...new Set([...(await storedRunNames(store)), ...executions.keys()])];
  const known = await Promise.all(
    names.map(async (name) => {
      const stored = await readStoredRun(store, name);
      const bytesThere = stored === undefined ? undefined : await diskSize(store.path(name));
      return {
        name,
        stored,
        bytes: bytesThere,
        execution: tellingExecution(executions.get(name) ?? [], stored),
      };
    }),
  );
  const telling = known.flatMap(({ execution }) => execution ?? []);
  const progress = temporal === undefined ? new Map<string, never>() : await progressOf(temporal, telling);
  const rows = known.map(({ name, execution, ...rest }) =>
    runRow(
      name,
      { ...rest, execution, progress: execution && progress.get(execution.workflowId) },
      Date.now(),
    ),
  );
  rows.sort((a, b) => ((a.startedAt ?? '') < (b.startedAt ?? '') ? 1 : -1));
  return { rows, hasTemporal: temporal !== undefined };
}

function isWanted({ status, where }: RunRow, wanted: string): boolean {
  if (wanted === 'only-in-store') return where === 'store';
  if (wanted === 'only-in-temporal') return where === 'temporal';
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
      plainText(row.runName),
      row.status,
      { both: 'both', store: 'store alone', temporal: 'Temporal alone' }[row.where],
      stageOf(row),
      row.bestAccuracy === undefined ? '' : percent(row.bestAccuracy),
      plainText(shortened(row.seedModel ?? '')),
      row.startedAt?.slice(0, 16).replace('T', ' ') ?? '',
      row.seconds === undefined ? '' : duration(row.seconds),
      row.bytes === undefined ? '' : bytes(row.bytes),
    ]);
  return table.toString();
}

function stageOf({ kind, phase, iteration, iterations }: RunRow): string {
  const counted =
    iteration === undefined
      ? []
      : [`iteration ${iteration}${iterations === undefined ? '' : ` of ${iterations}`}`];
  return [...(phase === undefined ? [] : [phase]), ...(kind === 'run' ? counted : [kind])].join(', ');
}

/** The end of a path tells more than its beginning. */
function shortened(model: string): string {
  return model.length > 28 ? `…${model.slice(-27)}` : model;
}
