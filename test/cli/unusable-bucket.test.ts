import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_TEMPORAL, runCli } from '../support/run-cli.ts';
import { findVersitygw, startS3Server, type S3Server } from '../support/s3-server.ts';
import { useBucket } from '../support/use-bucket.ts';

const STORE = 's3://judges/team-a';
const ARGUMENTS = {
  worker: ['worker'],
  show: ['show', 'some-run'],
  gc: ['gc'],
  doctor: ['doctor'],
} as const;
type Command = keyof typeof ARGUMENTS;

describe('a bucket that cannot be used', function () {
  this.timeout(600_000);
  useBucket();
  let readOnly: S3Server;
  let home: string;
  before(async () => {
    readOnly = await startS3Server((await findVersitygw()) ?? '', ['--readonly']);
    await readOnly.createBucket('judges');
    home = await mkdtemp(join(tmpdir(), 'home-'));
  });
  after(async () => {
    await readOnly?.close();
    await rm(home, { recursive: true, force: true });
  });

  /** Each with what is wrong, the commands that are tried with it, and what they say. */
  const cases: readonly [string, readonly Command[], () => NodeJS.ProcessEnv, RegExp, string?][] = [
    [
      'does not exist',
      ['worker', 'doctor', 'gc', 'show'],
      () => ({}),
      /there is no such bucket\. Create it, or correct the address|There is no store at s3:\/\/missing\/x: set --store/,
      's3://missing/x',
    ],
    [
      'refuses the key',
      ['worker'],
      () => ({ AWS_ACCESS_KEY_ID: 'nobody' }),
      /the server does not know the access key\. Correct AWS_ACCESS_KEY_ID or the profile/,
    ],
    [
      'is in another region',
      ['gc'],
      () => ({ AWS_REGION: 'eu-west-3' }),
      /the region is wrong\. Correct AWS_REGION/,
    ],
    [
      'is at an address where nothing listens',
      ['show'],
      () => ({ AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' }),
      /nothing listens at the endpoint\. Start the server, or correct AWS_ENDPOINT_URL_S3/,
    ],
    [
      'is at a host that does not exist',
      ['doctor'],
      () => ({ AWS_ENDPOINT_URL_S3: 'http://no-such-host.invalid:1' }),
      /the host of the endpoint (is unknown\. Correct AWS_ENDPOINT_URL_S3|cannot be looked up)/,
    ],
    [
      'can only be read',
      ['worker'],
      () => readOnly.environment,
      /these credentials may not do that\. Allow s3:GetObject, s3:PutObject/,
    ],
    [
      'needs credentials, and there are none',
      ['gc'],
      () => ({
        ...{ AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, AWS_PROFILE: undefined },
        ...{ HOME: home, AWS_EC2_METADATA_DISABLED: 'true' },
      }),
      /there are no credentials\. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE/,
    ],
    ['has no name', ['gc', 'worker'], () => ({}), /^s3:\/\/ names no bucket: give s3:\/\/BUCKET/, 's3://'],
  ];
  for (const [what, commands, environment, expected, store = STORE] of cases)
    for (const command of commands)
      it(`is refused in one sentence by ${command} before any work: one that ${what}`, async () => {
        const { code, out, err } = await runCli([...ARGUMENTS[command], '--store', store], {
          ...NO_TEMPORAL,
          ...environment(),
        });
        assert.notEqual(code, 0);
        if (command === 'doctor') {
          assert.match(out, expected);
          return;
        }
        assert.match(err, expected);
        assert.equal(err.trim().split('\n').length, 1, err);
        assert.equal(out, '');
      });
});
