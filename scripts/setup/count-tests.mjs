import { writeSync } from 'node:fs';
import { reporters } from 'mocha';

/** The pipe to the process that started mocha. Not a channel of Node's: a mocha that had one would take itself for one of its own workers. */
export const COUNTS_FD = 3;

/**
 * Mocha's usual report, which also sends the counts to the process that started it after each test: they are true even
 * when mocha itself breaks off.
 */
export default class CountTests extends reporters.Spec {
  /**
   * @param {import('mocha').Runner} runner
   * @param {import('mocha').MochaOptions} options
   */
  constructor(runner, options) {
    super(runner, options);
    let passed = 0;
    let failed = 0;
    /** @param {boolean} ended */
    const send = (ended) => writeSync(COUNTS_FD, `${JSON.stringify({ passed, failed, ended })}\n`);
    runner.on('pass', () => {
      passed += 1;
      send(false);
    });
    runner.on('fail', () => {
      failed += 1;
      send(false);
    });
    runner.on('end', () => send(true));
  }
}
