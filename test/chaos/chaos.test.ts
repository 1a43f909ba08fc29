import assert from 'node:assert/strict';
import { runChaos } from '../../scripts/chaos/run-chaos.ts';
import { summaryOf, tableOf } from '../../scripts/chaos/summary.ts';
import { ensurePython } from '../../scripts/setup/python-environment.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now()) % 2 ** 31;
const KILLS = 8;

describe('a run whose worker, trainer, model server and Temporal server are killed', function () {
  this.timeout(900_000);

  it(`ends with the data of a run that nothing disturbed (TEST_SEED=${seed})`, async () => {
    const lines: string[] = [];
    const outcome = await runChaos({
      seed,
      kills: KILLS,
      endpoint: 'scripted',
      workers: 1,
      python: await ensurePython(),
      signal: new AbortController().signal,
      log: (line) => lines.push(line),
      keep: false,
    });
    const summary = summaryOf(outcome, seed);
    const story = `\n${lines.join('\n')}\n${tableOf(summary)}`;
    assert.deepEqual(
      outcome.runs.flatMap(({ comparison }) => comparison.differences),
      [],
      `the data differ${story}`,
    );
    assert.equal(summary.lost, 0, story);
    assert.equal(summary.kills, KILLS, story);
    assert(outcome.runs.every(({ comparison }) => comparison.records > 500, story));
    // A trainer is killed in every trial, so it has gone on from a checkpoint or from the start.
    assert((summary.byKind['trainer']?.kills ?? 0) > 0, story);
    // Nothing is counted where nothing is killed; beyond what was in flight nearly nothing is asked for again.
    assert.equal(outcome.undisturbed.askings.again, 0, story);
    assert(summary.records > 500 && summary.askedTwiceShare < 0.02, story);
  });
});
