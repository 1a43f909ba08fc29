import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeStore, type MadeStore } from '../../runs/made-store.ts';
import { NO_TEMPORAL, run } from './command.ts';

/** A store that real runs have made, with the server that knows them, and a folder for what tests make. */
export class Workbench {
  made!: MadeStore;
  scratch = '';

  /** Takes as long as two trainings. */
  async open(): Promise<void> {
    this.made = await makeStore();
    this.scratch = await mkdtemp(join(tmpdir(), 'runs-'));
  }

  async close(): Promise<void> {
    await this.made.close();
    await rm(this.scratch, { recursive: true, force: true });
  }

  get store(): string {
    return this.made.cluster.storeRoot;
  }

  /** Of a command that finds the store and the server. */
  get environment(): NodeJS.ProcessEnv {
    return { SELF_TAUGHT_EVALUATOR_STORE: this.store, TEMPORAL_ADDRESS: this.made.cluster.address };
  }

  /** A copy of the store in which a test may do what it likes; Temporal knows nothing of it. */
  async copied(): Promise<{ root: string; alone: NodeJS.ProcessEnv }> {
    const root = join(this.scratch, randomUUID());
    await cp(this.store, root, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    return { root, alone: { ...NO_TEMPORAL, SELF_TAUGHT_EVALUATOR_STORE: root } };
  }

  /** What a command prints with --json. */
  async json<T>(args: readonly string[], environment = this.environment): Promise<T> {
    const { code, out, err } = await run([...args, '--json'], environment);
    assert.equal(code, 0, err);
    return JSON.parse(out) as T;
  }
}
