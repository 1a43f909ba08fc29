import assert from 'node:assert/strict';
import { simulateRun, type SimulatedRun } from '../../bench/simulation/simulated-run.ts';

/** Temporal warns at slightly higher limits: 10,240 events and 10 MB. */
const MOST = { events: 10_000, bytes: 10_000_000 };

/** When a server suggests to continue as new, unless it is set up otherwise; and here, so that few shards reach it. */
const SUGGESTED_AT = 4096;
const SUGGESTED_HERE_AT = 200;

const SHARD_SIZE = 200;

describe('the histories of a run with simulated activities', function () {
  this.timeout(180_000);
  const [few, many] = [40, 200];
  let small: SimulatedRun;
  let large: SimulatedRun;

  before(async () => {
    const options = { iterations: 1, suggestContinueAsNewAt: SUGGESTED_HERE_AT };
    small = await simulateRun({ ...options, instructions: few * SHARD_SIZE });
    large = await simulateRun({ ...options, instructions: many * SHARD_SIZE });
  });

  const stagesOf = ({ workflows }: SimulatedRun) =>
    workflows.filter(({ workflowId }) => /(generate|judge)Pairs$/.test(workflowId));
  const historiesOf = (workflows: SimulatedRun['workflows']) =>
    workflows.flatMap(({ histories }) => histories);
  const events = (histories: ReturnType<typeof historiesOf>) =>
    histories.reduce((sum, history) => sum + history.events, 0);

  it('of a stage have the same few events for each shard, for any number of shards', () => {
    assert.equal(stagesOf(large).length, 2);
    const perShard = (run: SimulatedRun, shards: number) => events(historiesOf(stagesOf(run))) / (2 * shards);
    const more =
      (events(historiesOf(stagesOf(large))) - events(historiesOf(stagesOf(small)))) / (2 * (many - few));
    assert(more <= 8, `${more} events for each shard more`);
    assert(perShard(large, many) <= perShard(small, few) + 1, 'events for each shard grow with the shards');
  });

  it('of a stage are continued as new soon after the server suggests it', () => {
    for (const { workflowId, histories } of stagesOf(large)) {
      assert(histories.length >= 3, `${workflowId} has ${histories.length} histories`);
      const after = Math.max(...histories.map((history) => history.events)) - SUGGESTED_HERE_AT;
      // Running shards are awaited: up to four hundred, with ten events each if they hand over.
      assert(after < 60, `${workflowId} went on for ${after} events`);
    }
    assert(SUGGESTED_AT + 60 + 400 * 10 < MOST.events);
  });

  it('of the run itself do not grow with the number of shards, and are continued between iterations', () => {
    const [ofSmall, ofLarge] = [small, large].map((run) =>
      historiesOf(run.workflows.filter(({ type }) => type === 'selfTaughtEvaluator')),
    ) as [ReturnType<typeof historiesOf>, ReturnType<typeof historiesOf>];
    assert.equal(ofLarge.length, 2);
    assert(
      events(ofLarge) < 1.5 * events(ofSmall),
      `${events(ofLarge)} events, of few shards ${events(ofSmall)}`,
    );
    const mostBetween = Math.max(...ofLarge.map((history) => history.events));
    assert(SUGGESTED_AT + mostBetween < MOST.events, `${mostBetween} events between two chances to continue`);
  });

  it('stay small in bytes, too, at the limits of a real server', () => {
    for (const { workflowId, histories } of [...small.workflows, ...large.workflows]) {
      for (const history of histories) {
        const bytesEach = history.bytes / history.events;
        assert(
          bytesEach * (SUGGESTED_AT + 700) < MOST.bytes / 2,
          `${workflowId} takes ${bytesEach} bytes for each event`,
        );
      }
    }
    assert(large.progressBytes <= 1.1 * small.progressBytes, 'what the query answers grows with the shards');
  });
});
