import assert from 'node:assert/strict';
import { lifeOf, type Told } from '../../src/runs/life.ts';
import type { Ending } from '../../src/runs/stored-run.ts';

const sign = 'a trainer is at work';

describe('whether a run is under way', () => {
  const cases: [string, Ending | undefined, Told, string | undefined, boolean, string][] = [
    ['Temporal says so, whatever the store says', 'finished', 'open', undefined, true, 'live'],
    ['somebody works on it, whatever Temporal says', 'finished', 'finished', sign, true, 'live'],
    ['the store says how it ended', 'finished', 'silent', undefined, false, 'over finished'],
    [
      'the store says so, and Temporal has forgotten it',
      'failed',
      'unknown',
      undefined,
      false,
      'over failed',
    ],
    ['Temporal alone says how it ended', undefined, 'cancelled', undefined, false, 'over cancelled'],
    [
      'Temporal says that it finished, and there is no result',
      undefined,
      'finished',
      undefined,
      false,
      'unclear',
    ],
    ['nobody says anything', undefined, 'silent', undefined, false, 'unclear'],
    [
      'another server is asked, and the store says nothing',
      undefined,
      'unknown',
      undefined,
      false,
      'unclear',
    ],
    [
      'nobody says anything, and the user says that it is over',
      undefined,
      'silent',
      undefined,
      true,
      'over cancelled',
    ],
  ];
  for (const [when, ended, told, seen, assumeEnded, expected] of cases)
    it(`${expected} where ${when}`, () => {
      const life = lifeOf({ ended }, told, seen, assumeEnded);
      assert.equal(life.kind === 'over' ? `over ${life.ended}` : life.kind, expected);
    });
});
