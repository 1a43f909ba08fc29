/** The small run whose store is kept in store.tar.gz: every stage is real, a scripted endpoint answers for its models. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ConfigurationInput, RunResult } from '../../src/client/index.ts';
import { tinyConfiguration, withCategories } from '../support/tiny-run.ts';
import { FREEZE_FOLDER } from './frozen-values.ts';

const ARCHIVE = join(FREEZE_FOLDER, 'store.tar.gz');

/** @param baseUrl the endpoint's address, which decides nothing of what the run makes */
export function frozenRun(baseUrl: string): ConfigurationInput {
  return {
    ...tinyConfiguration('frozen', baseUrl, withCategories),
    models: { seed: { checkpoint: 'test/freeze/base' } },
  };
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

/** The part of a result that does not depend on when and where the run was carried out. */
export function frozenResult({ iterations, best }: RunResult) {
  return {
    best,
    iterations: iterations.map(({ iteration, model, evaluations }) => ({ iteration, model, evaluations })),
  };
}
