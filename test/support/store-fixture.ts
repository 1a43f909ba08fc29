import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordStore, type RecordedStore } from './recorded-store.ts';
import { NO_TEMPORAL, runCli } from './run-cli.ts';

/** A store with real runs, the Temporal server on which they ran, and a folder for test output. */
export class StoreFixture {
  recorded!: RecordedStore;
  scratch = '';

  /** Creates the runs, which takes as long as two trainings. */
  async open(): Promise<void> {
    this.recorded = await recordStore();
    this.scratch = await mkdtemp(join(tmpdir(), 'runs-'));
  }

  async close(): Promise<void> {
    await this.recorded.close();
    await rm(this.scratch, { recursive: true, force: true });
  }

  get store(): string {
    return this.recorded.cluster.storeRoot;
  }

  /** The environment of a command that uses the store and the server. */
  get environment(): NodeJS.ProcessEnv {
    return { SELF_TAUGHT_EVALUATOR_STORE: this.store, TEMPORAL_ADDRESS: this.recorded.cluster.address };
  }

  /** A copy of the store that a test may change, without a Temporal server. */
  async copyStore(): Promise<{ root: string; alone: NodeJS.ProcessEnv }> {
    const root = join(this.scratch, randomUUID());
    await cp(this.store, root, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    return { root, alone: { ...NO_TEMPORAL, SELF_TAUGHT_EVALUATOR_STORE: root } };
  }

  /** Parses the output of a command with --json. */
  async json<T>(args: readonly string[], environment = this.environment): Promise<T> {
    const { code, out, err } = await runCli([...args, '--json'], environment);
    assert.equal(code, 0, err);
    return JSON.parse(out) as T;
  }
}
