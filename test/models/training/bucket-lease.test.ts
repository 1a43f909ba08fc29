import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';
import type { ObjectStore } from '../../../src/store/objects/object-store.ts';
import { useBucket } from '../../support/use-bucket.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
/** Acquires a lease, says so, and holds it until its input ends. */
const HOLD = `
import sys, threading
from trainer.bucket_lease import BucketLease
from trainer.errors import Stopped
lease = BucketLease(sys.argv[1], sys.argv[2], threading.Event())
try:
  lease.acquire()
except Stopped as stopped:
  print(stopped, flush=True)
  sys.exit(75)
print("held", flush=True)
while not lease.lost.wait(0.05):
  pass
print("lost", flush=True)
`;
/** Takes an expired lease for eight starts at the same moment; prints how many have got it. */
const RACE = `
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from trainer.bucket_lease import BucketLease
leases = [BucketLease(sys.argv[1], str(number), threading.Event()) for number in range(8)]
for lease in leases:
  lease._read("lease.json")
with ThreadPoolExecutor(8) as pool:
  print(sum(pool.map(BucketLease._take, leases)))
`;

describe("a trainer's lease in a bucket", function () {
  this.timeout(300_000);
  const bucket = useBucket();
  let address: string;
  let objects: ObjectStore;
  let renewal: NodeJS.Timeout | undefined;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    address = bucket.newAddress();
    objects = openObjectStore(address);
  });
  afterEach(() => {
    clearInterval(renewal);
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** Starts a trainer; `first` is what it prints first, `ended` all that it has printed. */
  function acquire(token: string, script = HOLD) {
    const child = spawn(python, ['-c', script, address, token], {
      cwd: packageRoot,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let printed = '';
    const lines = createInterface({ input: child.stdout }).on('line', (line) => (printed += `${line}\n`));
    const ended = Promise.all([once(child, 'exit'), once(lines, 'close')]).then(() => printed);
    return { child, first: once(lines, 'line').then(() => printed), ended };
  }

  /** Writes the lease of a trainer on another machine. */
  async function renewElsewhere(): Promise<string> {
    const renewedAt = new Date().toISOString();
    const lease = { host: 'another', bootId: 'b', pid: 1, startTime: '1', token: 'remote', renewedAt };
    await objects.put('lease.json', JSON.stringify(lease));
    return renewedAt;
  }

  const expire = async () => {
    const silence = { sign: await renewElsewhere(), seconds: 29 };
    await objects.put('starts/remote/silence.json', JSON.stringify(silence));
  };

  it('is valid as long as it is renewed', async () => {
    await renewElsewhere();
    renewal = setInterval(() => void renewElsewhere(), 500);
    assert.match(await acquire('own').first, /lease\.json: process 1 on another holds this folder/);
  });

  it('goes to exactly one of several trainers when it has expired', async () => {
    await expire();
    assert.equal(await acquire('race', RACE).first, '1\n');
    await expire();
    const first = await Promise.all(['a', 'b', 'c', 'd'].map((token) => acquire(token).first));
    assert.equal(first.filter((line) => line === 'held\n').length, 1, first.join());
    assert.equal(first.filter((line) => /holds this folder/.test(line)).length, 3, first.join());
  });

  it('is taken at once from a trainer of this machine that was killed', async () => {
    const killed = acquire('killed');
    assert.equal(await killed.first, 'held\n');
    killed.child.kill('SIGKILL');
    await killed.ended;
    assert.equal(await acquire('next').first, 'held\n');
  });

  it('is lost at the next renewal if another start has it, or it is gone', async () => {
    for (const take of [renewElsewhere, () => objects.delete('lease.json')]) {
      const { first, ended } = acquire('own');
      assert.equal(await first, 'held\n');
      await take();
      assert.match(await ended, /lost/);
      await objects.delete('lease.json');
    }
  });

  it('is not taken twice by trainers of one start', async () => {
    const one = acquire('own');
    assert.equal(await one.first, 'held\n');
    assert.match(await acquire('own').first, /holds this folder/);
    const lease = JSON.parse((await objects.get('lease.json'))?.content.toString() ?? '{}') as object;
    await objects.put('lease.json', JSON.stringify({ ...lease, host: 'another' }));
    assert.equal(await acquire('own').first, 'held\n', 'it ran on another machine, and loses it');
    assert.match(await one.ended, /lost/);
  });
});
