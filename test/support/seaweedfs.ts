/** A real SeaweedFS on this machine: an S3 server that keeps objects in another way than versitygw does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePorts } from '../../src/platform/ports.ts';
import { findBuiltPrograms } from '../../tools/setup/built-programs.ts';

const HOST = '127.0.0.1';
const REGION = 'us-east-1';
const ACCESS_KEY = 'test-key';
const SECRET_KEY = 'test-secret';

/** The server's program; undefined if it is not in the cache. It is built with `TEST_SEAWEEDFS=1`. */
export async function findSeaweedFs(): Promise<string | undefined> {
  const programs = await findBuiltPrograms(
    {
      folder: 'seaweedfs-20261109',
      module: join(import.meta.dirname, '..', 'seaweedfs'),
      commands: { weed: 'github.com/seaweedfs/seaweedfs/weed' },
      gigabytes: 4,
    },
    process.env.TEST_SEAWEEDFS === '1',
  );
  return programs?.weed;
}

/** Starts a server with one bucket. */
export async function startSeaweedFs(program: string, bucket: string) {
  const folder = await mkdtemp(join(tmpdir(), 'seaweedfs-'));
  const names = ['master', 'volume', 'filer', 's3'];
  const ports = await freePorts(2 * names.length);
  const s3Port = ports[2 * names.indexOf('s3')];
  const credentials = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY };
  const identity = { name: 'test', credentials: [credentials], actions: ['Admin'] };
  await writeFile(join(folder, 's3.json'), JSON.stringify({ identities: [identity] }));
  const child = spawn(
    program,
    [
      ...[
        'server',
        `-dir=${folder}`,
        `-ip=${HOST}`,
        '-filer',
        '-s3',
        `-s3.config=${join(folder, 's3.json')}`,
      ],
      ...['-volume.max=20', '-master.volumeSizeLimitMB=256'],
      ...names.flatMap((name, index) => [
        `-${name}.port=${ports[2 * index]}`,
        `-${name}.port.grpc=${ports[2 * index + 1]}`,
      ]),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const endpoint = `http://${HOST}:${s3Port}`;
  const client = new S3Client({
    ...{ endpoint, region: REGION, forcePathStyle: true, maxAttempts: 1 },
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
  });
  for (;;) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      break;
    } catch (error) {
      if (child.exitCode !== null) throw new Error(`SeaweedFS did not start:\n${log}`, { cause: error });
      await sleep(100);
    }
  }
  return {
    environment: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: SECRET_KEY,
    },
    async close() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
