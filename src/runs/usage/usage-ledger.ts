import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ModelRole } from '../../config/model-roles.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import type { AppendLog, ObjectStore } from '../../store/objects/object-store.ts';
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
  largestUsageTotals,
  sumUsageTotals,
  type UsageTotals,
  type RoleUsage,
} from './usage-totals.ts';
import { shareOf, UsageReserve } from './usage-reserve.ts';
import { coalesceCalls } from '../../platform/coalesce-calls.ts';

/** The run's budget allows no more requests. */
export class BudgetExhausted extends Error {
  override readonly name = 'BudgetExhausted';
  readonly limits: readonly BudgetUnit[];
  /** What the endpoints of the work do differently from what was asked, such as counting no tokens. */
  readonly warnings: readonly string[];

  constructor(limits: readonly BudgetUnit[], warnings: readonly string[] = []) {
    super(`the budget is used up: ${limits.join(', ')}`);
    this.limits = limits;
    this.warnings = warnings;
  }
}

const LIMITS_FILE = 'limits.json';

/** Milliseconds after which a run without a budget checks whether it has one now. */
const LIMITS_MAX_AGE_MS = 1000;

/** The same for a remote store, which is then looked at in the background; after this time requests wait for it. */
const REMOTE_LIMITS_MAX_AGE_MS = 3000;

const ONE_REQUEST: RoleUsage = { requests: 1, promptTokens: 0, completionTokens: 0 };

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
 * Beside each account there is a copy that is synced at intervals, and while a run has no limits a log of what the account says
 * since then: appending to it takes a fraction of the time of replacing the account. In a remote store, where every write is durable
 * and slow, a process records a reserve ahead instead (usage-reserve.ts), and returns what it has not used when work ends.
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
  /** Undefined if each change is written. */
  #reserve: UsageReserve | undefined;
  /** Whether the next write brings the account up to date. */
  #isSettling = false;
  #log: AppendLog | undefined;
  /** The number of processes that have an account. */
  #processes = 1;
  #prices: Prices | undefined;

  constructor(objects: ObjectStore, prefix: string) {
    this.#objects = objects;
    this.#prefix = prefix;
    this.#reserve = objects.isRemote ? new UsageReserve() : undefined;
  }

  /** Reads the usage of the other processes, and the limits. */
  readonly refresh = coalesceCalls(async () => {
    const isWritten = this.#syncedAt > -Infinity;
    const [names, limits] = await Promise.all([
      listUsageFiles(this.#objects, this.#prefix),
      readLimits(this.#objects, this.#key(LIMITS_FILE)),
    ]);
    // The run's folder was removed for a new start of the run, so this process begins a new account. If the old file
    // reappears, it counts as another process's.
    if (isWritten && !names.includes(this.#ownFile)) this.#startAnew();
    const accounts = await Promise.all(
      names
        .filter((name) => name !== this.#ownFile && name !== LIMITS_FILE)
        .map((name) => readUsageTotals(this.#objects, this.#key(name))),
    );
    this.#others = sumUsageTotals(accounts.filter((account) => account !== undefined));
    this.#processes = accounts.length + 1;
    this.#limits = limits;
    this.#lookedAt = performance.now();
  });

  readonly #save = coalesceCalls(() =>
    this.#reserve === undefined ? this.#saveUsage() : this.#saveWithReserve(),
  );

  async #saveUsage(): Promise<void> {
    const key = this.#key(this.#ownFile);
    const text = toJsonLine(this.#own);
    const mustSync = performance.now() >= this.#syncedAt + SYNC_INTERVAL_MS;
    // Other machines may not see what is appended until it is synced, so with limits each write replaces the account.
    if (!mustSync && !this.#isLimited && !this.#isSettling) return this.#appendToLog(key, text);
    // Not synced, because syncing would take longer than many requests.
    await this.#objects.put(key, text, { sync: 'none' });
    this.#isSettling = false;
    if (mustSync) {
      await this.#objects.put(syncedCopyKey(key), text);
      this.#syncedAt = performance.now();
    }
    const log = this.#log;
    this.#log = undefined;
    await log?.close();
  }

  async #appendToLog(key: string, text: string): Promise<void> {
    if (this.#log === undefined) {
      // The account says all that an earlier log does.
      await this.#objects.delete(logKey(key));
      this.#log = await this.#objects.openLog(logKey(key));
    }
    try {
      await this.#log.append(text);
    } catch (error) {
      // A part of a line may be written, behind which no other one would be read.
      this.#isSettling = true;
      throw error;
    }
  }

  async #saveWithReserve(): Promise<void> {
    if (this.#isLimited) await this.refresh();
    const reserve = (this.#reserve ??= new UsageReserve());
    const usage = structuredClone(this.#own);
    const ahead = this.#isSettling ? emptyUsageTotals() : this.#withinLimits(reserve.next(usage));
    this.#isSettling = false;
    const recorded = sumUsageTotals([usage, ahead]);
    await this.#objects.put(this.#key(this.#ownFile), toJsonLine(recorded));
    this.#syncedAt = performance.now();
    reserve.renewed(recorded, usage);
  }

  /**
   * The part of a reserve that this process may take: half of what the limits leave for it, so that the reserves of all
   * processes together stay within the limits.
   */
  #withinLimits(reserve: UsageTotals): UsageTotals {
    const now = this.usage(this.#prices);
    const then = usageFromTotals(sumUsageTotals([this.#own, this.#others, reserve]), this.#prices);
    const shares = BUDGET_UNITS.filter((unit) => then[unit] > now[unit]).map(
      (unit) =>
        ((this.#limits[unit] ?? Infinity) - now[unit]) / (2 * this.#processes * (then[unit] - now[unit])),
    );
    return shareOf(reserve, Math.max(0, Math.min(1, ...shares)));
  }

  /** Resolves once the usage is recorded, by the reserve or by a write. */
  async #record(): Promise<void> {
    if (this.#reserve?.covers(this.#own) !== true) return this.#save();
    // A failure is found out when the reserve is used up.
    if (this.#reserve.isDue(this.#own)) void this.#save().catch(() => undefined);
  }

  get #isLimited(): boolean {
    return BUDGET_UNITS.some((name) => this.#limits[name] !== undefined);
  }

  #key(name: string): string {
    return `${this.#prefix}/${name}`;
  }

  #startAnew(): void {
    this.#ownFile = `${randomUUID()}.json`;
    this.#own = emptyUsageTotals();
    this.#syncedAt = -Infinity;
    void this.#log?.close().catch(() => undefined);
    this.#log = undefined;
    if (this.#reserve !== undefined) this.#reserve = new UsageReserve();
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
    this.#prices = prices;
    await this.#refreshIfStale(role);
    const reached = this.#isLimited ? reachedLimits(this.#limits, this.usage(prices)) : [];
    if (reached.length > 0) {
      await (this.#reserve === undefined ? this.#save() : this.#settle());
      throw new BudgetExhausted(reached);
    }
    await this.recordRequest(role);
  }

  /** Reads the limits again before a request that the reserve does not cover, or after a while. */
  async #refreshIfStale(role: ModelRole): Promise<void> {
    const age = performance.now() - this.#lookedAt;
    if (this.#reserve === undefined) {
      if (this.#isLimited || age > LIMITS_MAX_AGE_MS) await this.refresh();
      return;
    }
    if (age > REMOTE_LIMITS_MAX_AGE_MS || (this.#isLimited && !this.#reserve.hasRequest(this.#own, role)))
      await this.refresh();
    else if (age > LIMITS_MAX_AGE_MS) void this.refresh().catch(() => undefined);
  }

  /** Counts one request, regardless of the limits. Resolves once the count is on disk. */
  async recordRequest(role: ModelRole): Promise<void> {
    addRoleUsage(this.#own, role, ONE_REQUEST);
    try {
      await this.#record();
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
    await this.#record();
  }

  /** Brings the account up to date once work has ended, without what was reserved and not used. If that fails, it says a little more. */
  async settleAfter<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      await this.#settle().catch(() => undefined);
    }
  }

  async #settle(): Promise<void> {
    if (this.#reserve === undefined ? this.#log === undefined : this.#reserve.equals(this.#own)) return;
    this.#isSettling = true;
    await this.#save();
  }

  /** Records how long a start of a trainer has run so far, in seconds. */
  async recordTrainerSeconds(token: string, seconds: number): Promise<void> {
    recordTrainerSeconds(this.#own, token, seconds);
    await this.#record();
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

function logKey(account: string): string {
  return `${account}.log`;
}

/** More than a line of a log has. */
const LOG_TAIL_BYTES = 1 << 16;

/**
 * Reads what an account says with its log; if a power cut has truncated the account, its synced copy takes its place. Undefined if
 * there is neither.
 */
async function readUsageTotals(objects: ObjectStore, key: string): Promise<UsageTotals | undefined> {
  const [account, copy, tail] = await Promise.all([
    objects.get(key),
    objects.get(syncedCopyKey(key)),
    objects.tail(logKey(key), LOG_TAIL_BYTES),
  ]);
  // The process may be writing the last line, or a crash may have truncated it.
  const lines = tail?.toString('utf8').split('\n').slice(0, -1).reverse() ?? [];
  const texts = [account, copy].map((object) => object?.content.toString('utf8') ?? '');
  const found = [firstTotals(texts), firstTotals(lines)].filter((totals) => totals !== undefined);
  return found.length === 0 ? undefined : largestUsageTotals(found);
}

function firstTotals(texts: readonly string[]): UsageTotals | undefined {
  for (const text of texts) {
    try {
      return usageTotalsSchema.parse(JSON.parse(text));
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
