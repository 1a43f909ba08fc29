import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ModelRole } from '../../config/model-roles.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import type { Prices } from '../../config/prices.ts';
import {
  BUDGET_UNITS,
  reachedLimits,
  type BudgetUnit,
  type Usage,
  type BudgetLimits,
} from '../../api/budget.ts';
import {
  usageTotalsSchema,
  usageFromTotals,
  emptyUsageTotals,
  recordTrainerSeconds,
  addRoleUsage,
  sumUsageTotals,
  type UsageTotals,
  type RoleUsage,
} from './usage-totals.ts';
import { coalesceCalls } from '../../platform/coalesce-calls.ts';

/** The run's budget allows no more requests. */
export class BudgetExhausted extends Error {
  override readonly name = 'BudgetExhausted';

  constructor(limits: readonly BudgetUnit[]) {
    super(`the budget is used up: ${limits.join(', ')}`);
  }
}

const LIMITS_FILE = 'limits.json';

/** Milliseconds after which a run without a budget checks whether it has one now. */
const LIMITS_MAX_AGE_MS = 1000;

/**
 * Minimum interval between two syncs of an account to the disk, in milliseconds. A power cut loses at most the usage
 * of this time.
 */
const SYNC_INTERVAL_MS = 5000;

const limitsSchema = z.object({
  tokens: z.number().exactOptional(),
  requests: z.number().exactOptional(),
  usd: z.number().exactOptional(),
  gpuHours: z.number().exactOptional(),
}) satisfies z.ZodType<BudgetLimits>;

/**
 * The usage and the limits of a run, in `<run>/usage/` of the store. Each worker process has an account, named by a
 * UUID, which only that process writes; `limits.json` contains the limits. Every request is recorded before it is
 * sent, and every answer before it is used. Accounts are never archived, because repeated work is paid for twice.
 * Beside each account there is a copy that is synced at intervals.
 */
export class UsageLedger {
  readonly #objects: ObjectStore;
  readonly #prefix: string;
  #ownFile = `${randomUUID()}.json`;
  #own = emptyUsageTotals();
  #others: UsageTotals = emptyUsageTotals();
  #limits: BudgetLimits = {};
  #lookedAt = -Infinity;
  #syncedAt = -Infinity;

  constructor(objects: ObjectStore, prefix: string) {
    this.#objects = objects;
    this.#prefix = prefix;
  }

  /** Reads the usage of the other processes, and the limits. */
  readonly refresh = coalesceCalls(async () => {
    const isWritten = this.#syncedAt > -Infinity;
    const names = await listUsageFiles(this.#objects, this.#prefix);
    // The run's folder was removed for a new start of the run, so this process begins a new account. If the old file
    // reappears, it counts as another process's.
    if (isWritten && !names.includes(this.#ownFile)) this.#startAnew();
    const accounts = await Promise.all(
      names
        .filter((name) => name !== this.#ownFile && name !== LIMITS_FILE)
        .map((name) => readUsageTotals(this.#objects, this.#key(name))),
    );
    this.#others = sumUsageTotals(accounts.filter((account) => account !== undefined));
    this.#limits = await readLimits(this.#objects, this.#key(LIMITS_FILE));
    this.#lookedAt = performance.now();
  });

  readonly #save = coalesceCalls(async () => {
    const name = this.#ownFile;
    const text = toJsonLine(this.#own);
    // Not synced, because syncing would take longer than many requests.
    await this.#objects.put(this.#key(name), text, { sync: 'none' });
    if (performance.now() < this.#syncedAt + SYNC_INTERVAL_MS) return;
    await this.#objects.put(syncedCopyKey(this.#key(name)), text);
    this.#syncedAt = performance.now();
  });

  #key(name: string): string {
    return `${this.#prefix}/${name}`;
  }

  #startAnew(): void {
    this.#ownFile = `${randomUUID()}.json`;
    this.#own = emptyUsageTotals();
    this.#syncedAt = -Infinity;
  }

  /** The limits as they were last read. */
  get limits(): BudgetLimits {
    return this.#limits;
  }

  /** The total usage: that of other processes as it was last read, and the current one of this process. */
  usage(prices: Prices | undefined): Usage {
    return usageFromTotals(sumUsageTotals([this.#own, this.#others]), prices);
  }

  /**
   * Allows one request and counts it. Resolves once the count is on disk.
   * @throws BudgetExhausted if a limit is reached
   */
  async admitRequest(role: ModelRole, prices: Prices | undefined): Promise<void> {
    const isFree = BUDGET_UNITS.every((name) => this.#limits[name] === undefined);
    if (!isFree || performance.now() - this.#lookedAt > LIMITS_MAX_AGE_MS) await this.refresh();
    const reached = reachedLimits(this.#limits, this.usage(prices));
    if (reached.length > 0) {
      await this.#save();
      throw new BudgetExhausted(reached);
    }
    await this.recordRequest(role);
  }

  /** Counts one request, regardless of the limits. Resolves once the count is on disk. */
  async recordRequest(role: ModelRole): Promise<void> {
    addRoleUsage(this.#own, role, { requests: 1, promptTokens: 0, completionTokens: 0 });
    try {
      await this.#save();
    } catch (error) {
      addRoleUsage(this.#own, role, { requests: -1, promptTokens: 0, completionTokens: 0 });
      throw error;
    }
  }

  /** Records the tokens of an answer. Resolves once they are on disk. */
  async recordTokens(
    role: ModelRole,
    { promptTokens, completionTokens }: Omit<RoleUsage, 'requests'>,
  ): Promise<void> {
    addRoleUsage(this.#own, role, { requests: 0, promptTokens, completionTokens });
    await this.#save();
  }

  /** Records how long a start of a trainer has run so far, in seconds. */
  async recordTrainerSeconds(token: string, seconds: number): Promise<void> {
    recordTrainerSeconds(this.#own, token, seconds);
    await this.#save();
  }

  /** Sets the limits, which all processes apply from their next request on. */
  async setLimits(limits: BudgetLimits): Promise<void> {
    await this.#objects.put(this.#key(LIMITS_FILE), toJsonLine(limits));
    await this.refresh();
  }
}

/** The ledgers of the runs for which this process works. */
export class UsageLedgers {
  readonly #store: ArtifactStore;
  readonly #byRun = new Map<string, UsageLedger>();

  constructor(store: ArtifactStore) {
    this.#store = store;
  }

  forRun(runName: string): UsageLedger {
    const existing = this.#byRun.get(runName);
    if (existing !== undefined) return existing;
    const ledger = new UsageLedger(this.#store.objects, `${runName}/usage`);
    this.#byRun.set(runName, ledger);
    return ledger;
  }
}

async function listUsageFiles(objects: ObjectStore, prefix: string): Promise<string[]> {
  return (await objects.children(prefix)).map(({ name }) => name).filter((name) => name.endsWith('.json'));
}

function toJsonLine(value: UsageTotals | BudgetLimits): string {
  return `${JSON.stringify(value)}\n`;
}

function syncedCopyKey(account: string): string {
  return `${account}.synced`;
}

/** Reads an account, or its synced copy if a power cut has truncated the account; undefined if neither exists. */
async function readUsageTotals(objects: ObjectStore, key: string): Promise<UsageTotals | undefined> {
  for (const each of [key, syncedCopyKey(key)]) {
    const text = (await objects.get(each))?.content.toString('utf8');
    try {
      return usageTotalsSchema.parse(JSON.parse(text ?? ''));
    } catch {}
  }
  return undefined;
}

/** @throws Error if the file exists but is invalid, which must not be taken for no limit */
async function readLimits(objects: ObjectStore, key: string): Promise<BudgetLimits> {
  const text = (await objects.get(key))?.content.toString('utf8');
  if (text === undefined) return {};
  try {
    return limitsSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(
      `${objects.locate(key)} contains the limits of the run's budget, but can't be read. Replace its content, for example with {"tokens": 2000000}, or {} for ` +
        'no limit; then the run continues by itself.',
      { cause },
    );
  }
}
