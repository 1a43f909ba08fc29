import assert from 'node:assert/strict';
import { type WorkerOptions, WORKER_OPTIONS } from '../src/worker-options.ts';
import { settingsFrom } from '../src/worker-settings.ts';

/** What the command line gives where nothing is said. */
const defaults = Object.fromEntries(
  Object.entries(WORKER_OPTIONS).map(([name, option]) => [
    name,
    'default' in option ? option.default : undefined,
  ]),
) as unknown as WorkerOptions;

const settings = (options: Partial<WorkerOptions> = {}) =>
  settingsFrom({ ...defaults, ...options }, 'python3', {});

describe('the settings of a worker', () => {
  it('have all roles, and neither metrics nor health nor a version unless they are asked for', () => {
    const { roles, metricsAddress, healthAddress, version } = settings();
    assert.deepEqual(roles, ['workflow', 'inference', 'gpu']);
    assert.deepEqual([metricsAddress, healthAddress, version], [undefined, undefined, undefined]);
    const asked = settings({ 'metrics-address': 'localhost:9000', 'health-address': '[::]:8080' });
    assert.deepEqual(asked.metricsAddress, { host: '127.0.0.1', port: 9000 });
    assert.deepEqual(asked.healthAddress, { host: '::', port: 8080 });
  });

  it('bound the requests in flight by two numbers, the same where it is to be fixed', () => {
    assert.deepEqual(settings().inFlight, { minimum: 1, maximum: 256 });
    const fixed = { 'requests-in-flight': '32', 'minimum-requests-in-flight': '32' };
    assert.deepEqual(settings(fixed).inFlight, { minimum: 32, maximum: 32 });
    assert.throws(
      () => settings({ 'requests-in-flight': '8', 'minimum-requests-in-flight': '9' }),
      /--minimum-requests-in-flight is 9, and must not be more than --requests-in-flight, which is 8/,
    );
    assert.throws(() => settings({ 'requests-in-flight': '0.5' }), /must be a whole number of 1 or more/);
  });

  it('name the option that is wrong, and what it may be', () => {
    for (const address of ['9464', ':9464', 'worker.example:9464', '127.0.0.1:70000', '127.0.0.1:0']) {
      assert.throws(
        () => settings({ 'metrics-address': address }),
        /^SettingError: --metrics-address is ".*, and must be an IP address and a port, such as 0\.0\.0\.0:9464$/,
      );
    }
    assert.throws(
      () => settings({ 'log-level': 'loud' }),
      /--log-level \(or LOG_LEVEL\) is "loud", and must be "trace", "debug", "info", "warn" or "error"$/,
    );
    assert.throws(() => settings({ 'on-shutdown': 'wait' }), /must be "leave" or "stop"$/);
    assert.throws(() => settings({ roles: 'gpu,cpu' }), /unknown role "cpu"/);
  });
});
