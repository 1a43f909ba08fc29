import { randomUUID } from 'node:crypto';
import { link, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ModelRole } from '../activities/types.ts';
import { makeFolder, onDisk, readTextIfThere, removeDraft } from '../artifacts/on-disk.ts';
import { type ArtifactStore, writeFileAtomically } from '../artifacts/store.ts';
import type { Prices } from '../config/prices.ts';
import { AMOUNTS, limitsReached, type Amount, type Amounts, type Limits } from '../format/amounts.ts';
import {
  accountSchema,
  amountsOf,
  emptyAccount,
  noteTrainer,
  spend,
  sumAccounts,
  type Account,
  type Spent,
} from './account.ts';
import { sharedRuns } from './shared-runs.ts';

/** The run's budget lets nothing more be asked for. */
export class BudgetReached extends Error {
  override readonly name = 'BudgetReached';

  constructor(limits: readonly Amount[]) {
    super(`the budget is spent: ${limits.join(', ')}`);
  }
}

const LIMITS_FILE = 'limits.json';
const EARLIER_FILE = 'earlier.json';

/** How long a run without a budget may not have heard that it got one, in milliseconds. */
const WITHOUT_LIMITS = 1000;

/** How often an account is synced to the disk at most, in milliseconds: a power cut costs no more of it. */
const SYNC_EVERY = 5000;

const limitsSchema = z.object({
  tokens: z.number().exactOptional(),
  requests: z.number().exactOptional(),
  usd: z.number().exactOptional(),
  gpuHours: z.number().exactOptional(),
}) satisfies z.ZodType<Limits>;

/**
 * What a run has spent and may spend, in `<run>/spending/` of the store: an account for each worker process, named by a UUID,
 * which only that process writes; `earlier.json`, what artifacts said before there were accounts; `limits.json`. Every
 * request is in its account before it is sent, every answer before it is used, and accounts are never set aside: what was
 * done again was paid for twice. Beside an account stands a copy that is synced now and then.
 */
export class Ledger {
  readonly #folder: string;
  #ownFile = `${randomUUID()}.json`;
  #own = emptyAccount();
  #others: Account = emptyAccount();
  #limits: Limits = {};
  #lookedAt = -Infinity;
  #syncedAt = -Infinity;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads what the other processes have spent, and the limits. */
  readonly look = sharedRuns(async () => {
    const isWritten = this.#syncedAt > -Infinity;
    const names = await filesIn(this.#folder);
    // The run's folder was removed, to start it as a new one; should the file be back, it counts as that of another.
    if (isWritten && !names.includes(this.#ownFile)) this.#startAnew();
    const accounts = await Promise.all(
      names
        .filter((name) => name !== this.#ownFile && name !== LIMITS_FILE)
        .map((name) => readAccount(join(this.#folder, name))),
    );
    this.#others = sumAccounts(accounts.filter((account) => account !== undefined));
    this.#limits = await readLimits(join(this.#folder, LIMITS_FILE));
    this.#lookedAt = performance.now();
  });

  readonly #save = sharedRuns(async () => {
    const name = this.#ownFile;
    const text = textOf(this.#own);
    await writeUnsynced(this.#folder, name, text);
    if (performance.now() < this.#syncedAt + SYNC_EVERY) return;
    await writeFileAtomically(syncedCopyOf(join(this.#folder, name)), text);
    this.#syncedAt = performance.now();
  });

  #startAnew(): void {
    this.#ownFile = `${randomUUID()}.json`;
    this.#own = emptyAccount();
    this.#syncedAt = -Infinity;
  }

  /** As of the last look. */
  get limits(): Limits {
    return this.#limits;
  }

  /** In all, as of the last look; what this process has spent as of now. */
  spent(prices: Prices | undefined): Amounts {
    return amountsOf(sumAccounts([this.#own, this.#others]), prices);
  }

  /**
   * Lets one request be sent, and counts it. Resolves once that is on disk: what is refused here is refused for what every
   * process can read.
   * @throws BudgetReached where a limit is reached.
   */
  async admit(role: ModelRole, prices: Prices | undefined): Promise<void> {
    const isFree = AMOUNTS.every((name) => this.#limits[name] === undefined);
    if (!isFree || performance.now() - this.#lookedAt > WITHOUT_LIMITS) await this.look();
    const reached = limitsReached(this.#limits, this.spent(prices));
    if (reached.length > 0) {
      await this.#save();
      throw new BudgetReached(reached);
    }
    await this.count(role);
  }

  /** Counts one request that is to be sent, whatever the limits. Resolves once it is on disk. */
  async count(role: ModelRole): Promise<void> {
    spend(this.#own, role, { requests: 1, promptTokens: 0, completionTokens: 0 });
    try {
      await this.#save();
    } catch (error) {
      spend(this.#own, role, { requests: -1, promptTokens: 0, completionTokens: 0 });
      throw error;
    }
  }

  /** Takes down the tokens of an answer. Resolves once it is on disk. */
  async settle(role: ModelRole, { promptTokens, completionTokens }: Omit<Spent, 'requests'>): Promise<void> {
    spend(this.#own, role, { requests: 0, promptTokens, completionTokens });
    await this.#save();
  }

  /** Notes how long a start of a trainer has worked by now, in seconds. */
  async trained(token: string, seconds: number): Promise<void> {
    noteTrainer(this.#own, token, seconds);
    await this.#save();
  }

  /** Opens the ledger of a run that begins: with what was spent before there was one. */
  async begin(earlier: () => Promise<Account>): Promise<void> {
    if ((await filesIn(this.#folder)).some((name) => name !== LIMITS_FILE)) return;
    const draft = join(this.#folder, `.${randomUUID()}`);
    await writeFileAtomically(draft, textOf(await earlier()));
    try {
      await link(draft, join(this.#folder, EARLIER_FILE));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      await removeDraft(draft);
    }
  }

  /** Puts limits in force, for all processes, from their next request on. */
  async limit(limits: Limits): Promise<void> {
    await writeFileAtomically(join(this.#folder, LIMITS_FILE), textOf(limits));
    await this.look();
  }
}

/** The ledgers of the runs that this process works for. */
export class Ledgers {
  readonly #store: ArtifactStore;
  readonly #byRun = new Map<string, Ledger>();

  constructor(store: ArtifactStore) {
    this.#store = store;
  }

  of(runName: string): Ledger {
    const there = this.#byRun.get(runName);
    if (there !== undefined) return there;
    const ledger = new Ledger(this.#store.path(`${runName}/spending`));
    this.#byRun.set(runName, ledger);
    return ledger;
  }
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function textOf(value: Account | Limits): string {
  return `${JSON.stringify(value)}\n`;
}

function syncedCopyOf(account: string): string {
  return `${account}.synced`;
}

/** Syncing would take longer than many a request. */
async function writeUnsynced(folder: string, name: string, text: string): Promise<void> {
  const draft = join(folder, `.${randomUUID()}`);
  const write = () => writeFile(draft, text);
  await onDisk(join(folder, name), async () => {
    await write().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      await makeFolder(folder);
      await write();
    });
    await rename(draft, join(folder, name));
  });
}

/** As it was last synced, where a power cut has left less of it; undefined where there is nothing of it. */
async function readAccount(file: string): Promise<Account | undefined> {
  for (const path of [file, syncedCopyOf(file)]) {
    const text = await readTextIfThere(path);
    try {
      return accountSchema.parse(JSON.parse(text ?? ''));
    } catch {}
  }
  return undefined;
}

/** @throws where it is there and says nothing: that is not to be taken for no limit. */
async function readLimits(file: string): Promise<Limits> {
  const text = await readTextIfThere(file);
  if (text === undefined) return {};
  try {
    return limitsSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(
      `${file} says what the run may spend, and can't be read. Write into it such as {"tokens": 2000000}, or {} for ` +
        'no limit; then it goes on by itself.',
      { cause },
    );
  }
}
