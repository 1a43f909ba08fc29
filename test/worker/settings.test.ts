import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { type WorkerOptionTexts, WORKER_OPTIONS } from '../../src/worker/options.ts';
import { PASS_VARIABLE } from '../../src/platform/process-environment.ts';
import { parseWorkerSettings } from '../../src/worker/settings.ts';

/** What the command line gives where nothing is said. */
const defaults = Object.fromEntries(
  Object.entries(WORKER_OPTIONS).map(([name, option]) => [
    name,
    'default' in option ? option.default : undefined,
  ]),
) as unknown as WorkerOptionTexts;

const settings = (options: Partial<WorkerOptionTexts> = {}) =>
  parseWorkerSettings({ ...defaults, ...options }, 'python3', {});

describe('the settings of a worker', () => {
  it('have all roles, and neither metrics nor health nor a version unless they are asked for', () => {
    const { roles, metricsAddress, healthAddress, deploymentVersion: version } = settings();
    assert.deepEqual(roles, ['workflow', 'inference', 'gpu']);
    assert.deepEqual([metricsAddress, healthAddress, version], [undefined, undefined, undefined]);
    const asked = settings({ 'metrics-address': 'localhost:9000', 'health-address': '[::]:8080' });
    assert.deepEqual(asked.metricsAddress, { host: '127.0.0.1', port: 9000 });
    assert.deepEqual(asked.healthAddress, { host: '::', port: 8080 });
  });

  it('bound the requests in flight by two numbers, the same where it is to be fixed', () => {
    assert.deepEqual(settings().inFlight, { minimum: 1, maximum: 256 });
    const fixed = { 'max-requests-in-flight': '32', 'min-requests-in-flight': '32' };
    assert.deepEqual(settings(fixed).inFlight, { minimum: 32, maximum: 32 });
    assert.throws(
      () => settings({ 'max-requests-in-flight': '8', 'min-requests-in-flight': '9' }),
      /--min-requests-in-flight is 9, and must not be more than --max-requests-in-flight, which is 8/,
    );
    assert.throws(() => settings({ 'max-requests-in-flight': '0.5' }), /must be a whole number of 1 or more/);
  });

  it('name the store by an address that does not depend on the working directory, whatever its kind', () => {
    assert.equal(settings({ store: 'some/folder' }).storeRoot, resolve('some/folder'));
    assert.equal(settings({ store: 'memory:test' }).storeRoot, 'memory:test');
  });

  it('say where model servers listen: at one address, which is loopback by default', () => {
    assert.equal(settings().serveHost, '127.0.0.1');
    for (const host of ['10.0.0.7', 'gpu-1.example', 'fd00::7'])
      assert.equal(settings({ 'serve-host': host }).serveHost, host);
    assert.equal(settings({ 'serve-host': '[fd00::7]' }).serveHost, 'fd00::7');
    for (const host of ['0.0.0.0', '::', '*'])
      assert.throws(
        () => settings({ 'serve-host': host }),
        /stands for all addresses.*write 0\.0\.0\.0 instead of/,
      );
    for (const host of ['', '10.0.0.7:8000', 'http://gpu-1', '-gpu'])
      assert.throws(
        () => settings({ 'serve-host': host }),
        /--serve-host is ".*without a port, such as 10\.0\.0\.7$/,
      );
  });

  it('serve metrics and health on loopback unless another address is given', () => {
    const address = (text: string) => settings({ 'health-address': text }).healthAddress;
    assert.deepEqual(address('8080'), { host: '127.0.0.1', port: 8080 });
    assert.deepEqual(address('0.0.0.0:8080'), { host: '0.0.0.0', port: 8080 });
  });

  it('name the variables that more processes get, never those of Temporal', () => {
    const passed = (text: string) => settings({ 'pass-environment': text }).environment[PASS_VARIABLE];
    assert.equal(passed('MY_SETTING, MY_*'), 'MY_SETTING,MY_*');
    assert.throws(
      () => passed('TEMPORAL_API_KEY'),
      /^SettingError: --pass-environment has TEMPORAL_API_KEY: /,
    );
  });

  it('name the option that is wrong, and what it may be', () => {
    for (const address of ['94640', ':9464', 'worker.example:9464', '127.0.0.1:70000', '127.0.0.1:0']) {
      assert.throws(
        () => settings({ 'metrics-address': address }),
        /^SettingError: --metrics-address is ".*, but must be a port of this machine only, such as 9464, or an IP address and a port, such as 0\.0\.0\.0:9464$/,
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
