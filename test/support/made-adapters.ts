import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { canarySchema, type Canary } from '../../src/models/serving/adapters/canary.ts';
import type { TrainedAdapter } from '../../src/models/serving/adapters/publish-adapter.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

export const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
/** The model that adapters are made for. */
export const adapterBase = join(packageRoot, 'embedded/model');

const madeSchema = z.record(
  z.string(),
  z.object({
    files: z.array(z.object({ name: z.string(), sha256: z.string(), bytes: z.number() })),
    sha256: z.string(),
    canary: canarySchema,
  }),
);

/** Adapters of the embedded model with random weights. */
export interface MadeAdapters {
  readonly folder: string;
  get(name: string): TrainedAdapter & { readonly canary: Canary };
  remove(): void;
}

/** @param wanted NAME:RANK:SIZE of the weights, as make_adapters.py has it */
export function makeAdapters(...wanted: string[]): MadeAdapters {
  const folder = mkdtempSync(join(tmpdir(), 'adapters-'));
  const script = join(packageRoot, 'test/support/make_adapters.py');
  const text = execFileSync(python, [script, adapterBase, folder, ...wanted], {
    env: { ...process.env, PYTHONPATH: packageRoot, HF_HUB_OFFLINE: '1' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const made = madeSchema.parse(JSON.parse(text));
  return {
    folder,
    get: (name) => ({ ...made[name]!, folder: join(folder, name) }),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
