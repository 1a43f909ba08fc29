import { reporters } from 'mocha';

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
    const send = (ended) => process.send?.({ passed, failed, ended });
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
