/** Trainings in a bucket that fails, and trainers that compete for one. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BucketTrainings, TRAININGS, type Trainer } from '../../support/bucket-trainings.ts';
import {
  startFaultyProxy,
  type Fault,
  type FaultyProxy,
  type ProxiedRequest,
} from '../../support/faulty-proxy.ts';
import { NO_S3_SERVER } from '../../support/s3-server.ts';

const slowDown: Fault = {
  kind: 'answer',
  status: 503,
  body: '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
};
const denied: Fault = {
  kind: 'answer',
  status: 403,
  body: '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>',
};
/** Sends a file of several parts and gets it again; then ends a transfer in the middle. */
const LARGE_FILE = `
import os, sys
from trainer.bucket import Bucket
from trainer.errors import Stopped
bucket, path = Bucket(sys.argv[1]), sys.argv[2]
with open(path, "wb") as file:
  file.write(os.urandom(70 * 2**20))
bucket.upload({"large": path})
bucket.download({"large": path + ".got"})
assert open(path, "rb").read() == open(path + ".got", "rb").read()
calls = []
def lose():
  calls.append(1)
  if len(calls) > 100:
    raise Stopped("lost")
try:
  bucket.upload({"half": path}, lose)
except Stopped:
  print(list(bucket.list()))
`;

describe('a training in a bucket with faults', function () {
  this.timeout(600_000);
  let trainings: BucketTrainings;
  let proxy: FaultyProxy;
  let expected: string;
  /** Has a trainer use the proxy. */
  let behindProxy: { readonly environment: Readonly<Record<string, string>> };

  before(async function () {
    const opened = await BucketTrainings.open();
    if (opened === undefined) {
      console.log(`      skipped: ${NO_S3_SERVER}`);
      return this.skip();
    }
    trainings = opened;
    proxy = await startFaultyProxy(trainings.server.environment['AWS_ENDPOINT_URL_S3'] ?? '');
    behindProxy = { environment: { AWS_ENDPOINT_URL_S3: proxy.url } };
    expected = await trainings.trainInFolder();
  });
  afterEach(() => proxy?.breaks(() => undefined));
  after(async () => {
    await proxy?.close();
    await trainings?.close();
  });

  const isDone = async (name: string, { ended }: Trainer) => {
    const { code, output } = await ended;
    assert.equal(code, 0, output);
    assert.equal((await trainings.result(name)).model.sha256, expected);
  };

  it('has the same weights though requests are refused, answers are lost, and connections break', async () => {
    let count = 0;
    const faults: readonly Fault[] = [slowDown, { kind: 'answer lost' }, { kind: 'answer cut' }];
    const broken: Record<string, number> = {};
    proxy.breaks(({ method }: ProxiedRequest) => {
      count += 1;
      if (count % 3 !== 0) return undefined;
      broken[method] = (broken[method] ?? 0) + 1;
      return faults[(count / 3) % faults.length];
    });
    await isDone('broken', await trainings.start(trainings.job('broken'), { seconds: 0.1, ...behindProxy }));
    assert((broken['GET'] ?? 0) > 3 && (broken['PUT'] ?? 0) > 10, JSON.stringify(broken));
    assert.deepEqual(await trainings.objects('broken').list('checkpoints'), []);
  });

  it('goes on while the bucket is away, and stores afterwards what it could not', async () => {
    const trainer = await trainings.start(trainings.job('away'), { seconds: 0.7 });
    await trainings.untilStep('away', 6, trainer);
    await trainings.server.kill();
    await sleep(20_000);
    await trainings.server.start();
    await isDone('away', trainer);
    assert.equal((await trainings.progress('away')).length, 40);
    assert.deepEqual((await trainings.result('away')).resumedFromSteps, []);
    const log = await trainings.log('away');
    assert.match(log, /the lease was not renewed, retrying: s3:\S+: (nothing listens|the endpoint)/);
    assert.match(log, /the lease is renewed again/);
  });

  it('waits for a checkpoint that is not stored yet before it stops', async () => {
    const trainer = await trainings.start(trainings.job('late'), { holdAfter: 7, ...behindProxy });
    await trainings.untilStep('late', 6, trainer);
    proxy.breaks(({ method, path }) =>
      method === 'PUT' && path.includes('/checkpoint') ? slowDown : undefined,
    );
    trainer.child.kill('SIGTERM');
    await trainer.release();
    while (!/checkpoint-\d+ is not in the bucket yet/.test(await trainings.log('late'))) {
      assert.equal(trainer.child.exitCode, null, 'it has ended without its checkpoint');
      await sleep(200);
    }
    assert.equal(trainer.child.exitCode, null);
    const before = await trainings.checkpoints('late');
    proxy.breaks(() => undefined);
    assert.equal((await trainer.ended).code, 75);
    const last = (await trainings.progress('late')).at(-1)?.step;
    assert(!before.includes(last ?? 0));
    assert.equal((await trainings.checkpoints('late')).at(-1), last);
  });

  it('belongs to one of two trainers that start at the same time', async () => {
    const job = trainings.job('two');
    const both = await Promise.all(
      ['first', 'second'].map((host) => trainings.start(job, { host, holdAfter: 7 })),
    );
    // The one that trains goes on when the other one has given up.
    await Promise.race(both.map(({ ended }) => ended));
    for (const each of both) await each.release();
    const ends = await Promise.all(both.map(({ ended }) => ended));
    assert.deepEqual(
      ends.map(({ code }) => String(code)).sort(),
      ['0', '75'],
      ends.map(({ output }) => output).join(),
    );
    const loser = both[ends.findIndex(({ code }) => code === 75)];
    assert.match(
      (await trainings.exit('two', loser?.token ?? '')).message,
      /^s3:\S+lease\.json: process \d+ on (first|second) holds this folder$/,
    );
    assert.equal((await trainings.result('two')).model.sha256, expected);
  });

  it('is not written to any more by a trainer that another start has taken over from', async () => {
    const trainer = await trainings.start(trainings.job('lost'), { holdAfter: 7 });
    await trainings.untilStep('lost', 6, trainer);
    // No request is under way but for the lease: files are sent every two seconds, and all have been.
    while (!(await trainings.checkpoints('lost')).includes(5)) await sleep(50);
    await sleep(3000);
    trainer.child.kill('SIGSTOP');
    await trainer.release();
    await sleep(5000);
    const objects = trainings.objects('lost');
    const lease = JSON.parse((await objects.get('lease.json'))?.content.toString() ?? '') as object;
    await objects.put('lease.json', JSON.stringify({ ...lease, host: 'another', token: 'another' }));
    const state = async () => (await objects.list('')).filter(({ key }) => !key.endsWith('/exit.json'));
    const before = await state();
    trainer.child.kill('SIGCONT');
    const { code, output } = await trainer.ended;
    assert.equal(code, 75, output);
    assert.match(output, /another start has taken over this folder/);
    assert.deepEqual(await state(), before);
  });

  it('keeps its lease though the answers to its renewals are lost', async () => {
    let count = 0;
    proxy.breaks(({ method, path }) =>
      method === 'PUT' && path.includes('lease.json') && (count += 1) % 2 === 1
        ? { kind: 'answer lost' }
        : undefined,
    );
    await isDone(
      'renewed',
      await trainings.start(trainings.job('renewed'), { seconds: 0.2, ...behindProxy }),
    );
    assert(count > 6, String(count));
  });

  it('sends and gets files of several parts, of which none counts if the transfer ends early', async () => {
    let count = 0;
    proxy.breaks(({ method }) => {
      count += 1;
      if (count % 4 !== 0) return undefined;
      return method === 'GET' ? { kind: 'answer cut' } : slowDown;
    });
    const command = ['-c', LARGE_FILE, `${TRAININGS}/large`, join(trainings.folder, 'large')];
    const { code, output } = await trainings.run(command, behindProxy).ended;
    assert.deepEqual([code, output], [0, "['large']\n"]);
  });

  describe('says what to do', () => {
    const job = (name: string) => trainings.job(name);
    const noFiles = { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' };
    const cases: Readonly<Record<string, [number, Readonly<Record<string, string>>, RegExp]>> = {
      'the access key is unknown': [
        78,
        { AWS_ACCESS_KEY_ID: 'other' },
        /does not know the access key\. Correct AWS_ACCESS_KEY_ID/,
      ],
      'the secret key is wrong': [
        78,
        { AWS_SECRET_ACCESS_KEY: 'other' },
        /secret key is wrong\. Correct AWS_SECRET_ACCESS_KEY/,
      ],
      'there are no credentials': [
        78,
        { ...noFiles, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_EC2_METADATA_DISABLED: 'true' },
        /there are no credentials\. Set AWS_ACCESS_KEY_ID/,
      ],
      'there is no such profile': [
        78,
        { ...noFiles, AWS_PROFILE: 'other' },
        /no such profile\. Correct AWS_PROFILE/,
      ],
      'the endpoint is no URL': [78, { AWS_ENDPOINT_URL_S3: 'nowhere' }, /the endpoint is no URL/],
      'nothing listens': [
        74,
        { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' },
        /nothing listens at the endpoint/,
      ],
    };
    for (const [what, [exitCode, environment, message]] of Object.entries(cases))
      it(`if ${what}`, async () => {
        const { code, output } = await (await trainings.start(job('refused'), { environment })).ended;
        assert.equal(code, exitCode, output);
        assert.match(output, message);
        assert(!output.includes('Traceback') && !output.includes('test-secret'), output);
      });

    it('if there is no such bucket, or no such object', async () => {
      const run = (job: string) => trainings.run(['-m', 'trainer', '--job', job]).ended;
      const bucket = await run('s3://another/starts/1/job.json');
      assert.equal(bucket.code, 78);
      assert.match(bucket.output, /^trainer: s3:..another.starts.1: there is no such bucket\. Create it/);
      const object = await run(`${TRAININGS}/starts/1/job.json`);
      assert.equal(object.code, 78);
      assert.match(object.output, /starts.1.job\.json: no such file, or not a JSON object/);
      const data = `${TRAININGS}/inputs/other.jsonl`;
      const noData = await trainings.start(trainings.job('no-data', { data }));
      assert.equal((await noData.ended).code, 65);
      assert.equal((await trainings.exit('no-data', noData.token)).message, `${data}: no such object`);
    });

    it('if nothing may be written', async () => {
      proxy.breaks(({ method }) => (method === 'GET' || method === 'HEAD' ? undefined : denied));
      const { code, output } = await (await trainings.start(job('read-only'), behindProxy)).ended;
      assert.equal(code, 78);
      assert.match(output, /read-only: these credentials may not do that\. Allow s3:GetObject, s3:PutObject/);
    });
  });
});
