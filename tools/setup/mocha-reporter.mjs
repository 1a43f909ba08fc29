import { writeSync } from 'node:fs';
import { reporters } from 'mocha';

/** The pipe to the process that started mocha. It is not a Node IPC channel, because mocha would then act as one of its own workers. */
export const COUNTS_FD = 3;

/**
 * Mocha's default report. It also sends the counts to the parent process after each test, so that they are known even if mocha
 * exits early.
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
