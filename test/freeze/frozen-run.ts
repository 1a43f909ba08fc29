/** The small runs whose store is kept in store.tar.gz: every stage is real, a scripted endpoint answers for their models. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { startRun, type ConfigurationInput, type RunResult } from '../../src/client/index.ts';
import {
  oneStep,
  plannedJudging,
  rankedRecords,
  tinyConfiguration,
  withCategories,
} from '../support/tiny-run.ts';
import { FREEZE_FOLDER } from './frozen-values.ts';

const ARCHIVE = join(FREEZE_FOLDER, 'store.tar.gz');

/** Between them the runs have each stage that makes records. */
function frozenRuns(baseUrl: string): ConfigurationInput[] {
  const run = (runName: string, changes: Partial<ConfigurationInput>): ConfigurationInput => ({
    ...tinyConfiguration(runName, baseUrl, changes),
    models: { seed: { checkpoint: 'test/freeze/base' } },
  });
  return [
    run('frozen', withCategories),
    run('frozen-plans', {
      iterations: 2,
      pairs: { calls: 'two', limits: [{ kind: 'forbidden-word', share: 1 }] },
      judging: plannedJudging,
      filtering: { minExamples: 1 },
      fineTuning: {
        rounds: [
          { method: 'sft', hyperparameters: oneStep },
          { method: 'dpo', judgments: 'reuse', hyperparameters: oneStep },
        ],
        threads: 1,
      },
    }),
    run('frozen-tasks', {
      pairs: { calls: 'two', tasks: [rankedRecords] },
      filtering: { minExamples: 1 },
    }),
  ];
}

/** What names the machine that recorded the store, and decides nothing of what a run reuses. */
const OF_THE_MACHINE = '**/{report.html,trainer.log,starts,tensorboard,heartbeat,lease.json.lock}';

export function packStore(store: string): void {
  for (const path of globSync(OF_THE_MACHINE, { cwd: store }))
    rmSync(join(store, path), { recursive: true, force: true });
  for (const path of globSync('**/manifest.json', { cwd: store })) {
    const manifest = readFileSync(join(store, path), 'utf8');
    writeFileSync(
      join(store, path),
      manifest.replace(`"createdOn": "${hostname()}"`, '"createdOn": "recorder"'),
    );
  }
  execFileSync('tar', ['-czf', ARCHIVE, '-C', store, '.']);
}

export function unpackStore(store: string): void {
  execFileSync('tar', ['-xzf', ARCHIVE, '-C', store]);
}

/**
 * Makes the runs one after the other, and returns their results.
 * @param baseUrl the endpoint's address, which decides nothing of what they make
 */
export async function makeFrozenRuns(client: Client, baseUrl: string) {
  const results = [];
  for (const configuration of frozenRuns(baseUrl)) {
    const run = await startRun(client, configuration);
    results.push(frozenResult(await run.result()));
  }
  return results;
}

/** The part of a result that does not depend on when and where the run was carried out. */
function frozenResult({ iterations, best }: RunResult) {
  return {
    best,
    iterations: iterations.map(({ iteration, model, evaluations }) => ({ iteration, model, evaluations })),
  };
}
