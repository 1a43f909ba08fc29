import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import { readlinkSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { machineName } from '../../src/platform/machine-name.ts';
import { moduleFile, packageRoot } from '../../src/platform/package-root.ts';
import { startMachine, whyNoMachines, type Machine } from '../support/machines.ts';

describe('the name of a machine', () => {
  it('is the host name alone outside of containers', async function () {
    if (process.platform === 'linux' && readlinkSync('/proc/self/ns/pid') !== 'pid:[4026531836]') this.skip();
    assert.equal(await machineName(), hostname());
  });

  describe('in containers', () => {
    const machines: Machine[] = [];

    before(function () {
      const problem = whyNoMachines();
      if (problem === undefined) return;
      console.warn(`      skipped: ${problem}`);
      this.skip();
    });
    afterEach(async () => {
      await Promise.all(machines.splice(0).map((machine) => machine.kill()));
    });

    async function container(hostName: string): Promise<Machine> {
      const machine = await startMachine(hostName);
      machines.push(machine);
      return machine;
    }

    async function nameIn(machine: Machine): Promise<string> {
      const module = pathToFileURL(moduleFile('platform/machine-name'));
      const script = `console.log(await (await import('${module.href}')).machineName())`;
      const { child } = machine.spawn([process.execPath, '--input-type=module', '--eval', script], {
        cwd: packageRoot,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      return (await text(child.stdout!)).trim();
    }

    it('is the same for all processes of a container, and another in each container of one host name', async () => {
      const [first, second] = [await container('pod'), await container('pod')];
      const [name, again, other] = await Promise.all([nameIn(first), nameIn(first), nameIn(second)]);
      assert.match(name, /^pod-[\da-f]{8}$/);
      assert.equal(again, name);
      assert.match(other, /^pod-[\da-f]{8}$/);
      assert.notEqual(other, name);
    });

    it('is another one after a container was started again under its host name', async () => {
      const before = await container('pod');
      const name = await nameIn(before);
      await before.kill();
      assert.notEqual(await nameIn(await container('pod')), name);
    });
  });
});
