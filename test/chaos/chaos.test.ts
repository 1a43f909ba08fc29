import assert from 'node:assert/strict';
import type { Aim } from '../../tools/chaos/disturbed-run.ts';
import type { StoreKind } from '../../tools/chaos/stores.ts';
import { runChaos } from '../../tools/chaos/run-chaos.ts';
import { summaryOf, tableOf } from '../../tools/chaos/summary.ts';
import { failureMessage } from '../../src/client/index.ts';
import { ensurePython } from '../../src/cli/setup/python-environment.ts';
import { findVersitygw, NO_S3_SERVER } from '../support/s3-server.ts';
import { whyNoMachines } from '../support/machines.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now()) % 2 ** 31;

/** Runs the scripted example with kills until `kills` of them are done, and compares it with an undisturbed run. */
async function requireSameData(
  machines: number,
  kills: number,
  aim: Aim = 'anything',
  store: StoreKind = 'folder',
) {
  const lines: string[] = [];
  const outcome = await runChaos({
    ...{ seed, kills, machines, aim, store },
    endpoint: 'scripted',
    workers: 1,
    python: await ensurePython(),
    signal: new AbortController().signal,
    log: (line) => lines.push(line),
    keep: false,
  }).catch((error: unknown) => {
    // The reports of parallel tests leave out causes.
    throw new Error(`the run failed: ${failureMessage(error)}\n${lines.join('\n')}`, { cause: error });
  });
  const summary = summaryOf(outcome, seed);
  const story = `\n${lines.join('\n')}\n${tableOf(summary)}`;
  assert.deepEqual(
    outcome.runs.flatMap(({ comparison }) => comparison.differences),
    [],
    `the data differ${story}`,
  );
  assert.equal(summary.lost, 0, story);
  assert.equal(summary.kills, kills, story);
  assert(outcome.runs.every(({ comparison }) => comparison.records > 500, story));
  // At least one trainer is killed, so training has resumed from a checkpoint or started again.
  assert(
    outcome.runs.some(({ kills }) => kills.some(({ trains }) => trains)),
    story,
  );
  // The undisturbed run repeats no request; the disturbed one hardly any except those in flight.
  assert.equal(outcome.baseline.requests.repeated, 0, story);
  assert(summary.records > 500 && summary.askedTwiceShare < 0.02, story);
  return { ...outcome, story };
}

describe('a run whose worker, trainer, model server and Temporal server are killed repeatedly', function () {
  this.timeout(900_000);

  it(`produces the same data as an undisturbed run (TEST_SEED=${seed})`, async () => {
    const { runs, story } = await requireSameData(1, 8, 'overlaps');
    // The seed model is evaluated while pairs are made and judged.
    const overlapping = runs.flatMap(({ kills }) => kills).filter(({ stages }) => stages > 1);
    assert(overlapping.length > 0, `nothing was killed while two stages were running${story}`);
  });
});

describe('a run on a bucket whose server, worker, trainer, model server and Temporal server are killed repeatedly', function () {
  this.timeout(900_000);

  before(async function () {
    if ((await findVersitygw()) !== undefined) return;
    console.warn(`      skipped: ${NO_S3_SERVER}`);
    this.skip();
  });

  it(`produces the same data as an undisturbed run (TEST_SEED=${seed})`, async () => {
    await requireSameData(1, 6, 'anything', 's3');
  });
});

describe('a run on two machines that are killed as a whole, cut off from the network, and come back under other names', function () {
  this.timeout(1_200_000);

  before(function () {
    const problem = whyNoMachines();
    if (problem === undefined) return;
    console.warn(`      skipped: ${problem}`);
    this.skip();
  });

  it(`produces the same data as an undisturbed run (TEST_SEED=${seed})`, async () => {
    await requireSameData(2, 3);
  });

  it(`trains the same model if each is killed in the middle of a training, and says what it waits for (TEST_SEED=${seed})`, async () => {
    const { runs, story } = await requireSameData(2, 3, 'trainers');
    assert(
      runs.every(({ kills }) => kills.every(({ trains }) => trains)),
      story,
    );
    const waits = runs.flatMap((run) => run.waits);
    assert(
      waits.some((reason) => /^no worker with role gpu .* on the machine n\d+-[\da-f]{8}/.test(reason)),
      `${waits.join('\n')}${story}`,
    );
  });
});
