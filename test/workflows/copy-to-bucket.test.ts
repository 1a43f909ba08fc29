import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startRun } from '../../src/client/index.ts';
import { openObjectStore } from '../../src/store/drivers.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { findVersitygw, NO_S3_SERVER, startS3Server, type S3Server } from '../support/s3-server.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { isJudgeRequest } from '../support/scripted-run.ts';
import { NO_TEMPORAL, runCli } from '../support/run-cli.ts';
import { scriptedAnswers, stageStarted, tinyConfiguration, waitForProgress } from '../support/tiny-run.ts';
import { restoreEnvironment } from '../support/restore-environment.ts';

const RUN = 'copied';
const BUCKET = 's3://judges/team-a';

describe('a run that is copied to a bucket', function () {
  this.timeout(600_000);
  let server: S3Server;
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;
  const environment = { ...process.env };
  before(async function () {
    const program = await findVersitygw();
    if (program === undefined) {
      console.log(`      skipped: ${NO_S3_SERVER}`);
      return this.skip();
    }
    server = await startS3Server(program);
    Object.assign(process.env, server.environment);
    await server.createBucket('judges');
    endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
    cluster = await startCluster();
    cluster.startWorker();
  });
  after(async () => {
    await cluster?.close();
    await endpoint?.close();
    await server?.close();
    restoreEnvironment(environment);
  });

  const start = (publishTo: string) =>
    startRun(cluster.client, tinyConfiguration(RUN, endpoint.baseUrl, { publishTo }));
  const inStore = (key: string) => readFile(join(cluster.storeRoot, key));

  it('is refused before any work if the bucket cannot be written to', async () => {
    await assert.rejects((await start('s3://no-such-bucket/team-a')).result(), (error: Error) => {
      assert.match(
        String((error.cause as Error).message),
        /publishTo: s3:\/\/no-such-bucket\/team-a: there is no such bucket\. Create it, or correct the address/,
      );
      return true;
    });
  });

  it('waits for a bucket that is out of reach, says so, and goes on by itself', async () => {
    const isAway = Promise.withResolvers<void>();
    endpoint.script((request) => ({
      ...(scriptedAnswers(request) as { kind: 'answer' }),
      heldUntil: isJudgeRequest(request.body) ? isAway.promise : undefined,
    }));
    const run = await start(BUCKET);
    await waitForProgress(run, stageStarted('judgePairs', 1));
    await server.kill();
    isAway.resolve();
    await waitForProgress(run, ({ waits = [] }) =>
      waits.some(({ reason }) => /judges\/team-a: nothing listens at the endpoint/.test(reason)),
    );
    await server.start();
    const { copied, warnings } = await run.result();
    assert.equal(copied?.kind, 'copied');
    assert(copied.objects > 0);
    assert.deepEqual(
      warnings.filter((warning) => warning.includes('copied')),
      [],
    );
  });

  it('has every finished object there as in the store, its judge with all files, and no checkpoints or journals', async () => {
    const bucket = openObjectStore(BUCKET);
    const copied = (await bucket.list(RUN)).map(({ key }) => key);
    for (const key of copied)
      if (key !== `${RUN}/result.json` && key !== `${RUN}/state.json`)
        assert((await bucket.get(key))?.content.equals(await inStore(key)), key);
    const training = JSON.parse((await inStore(`${RUN}/iteration-1/training/result.json`)).toString()) as {
      model: { files: { name: string }[] };
    };
    const wanted = training.model.files.map(({ name }) => `${RUN}/iteration-1/training/model/${name}`);
    for (const key of [...wanted, `${RUN}/report.html`, `${RUN}/iteration-1/training-set/manifest.json`])
      assert(copied.includes(key), key);
    assert.deepEqual(
      copied.filter((key) => key.includes('/checkpoints/') || key.includes('.journal')),
      [],
    );
  });

  it('sends nothing again that is there when it is started again', async () => {
    const { copied } = await (await start(BUCKET)).result();
    assert.equal(copied?.kind, 'copied');
    // The report, the result and what else is written at each start.
    assert(copied.objects <= 6, JSON.stringify(copied));
  });

  it('can be shown from the bucket', async () => {
    const { code, out, err } = await runCli(['show', RUN, '--store', BUCKET, '--json'], NO_TEMPORAL);
    assert.equal(code, 0, err);
    assert.equal((JSON.parse(out) as { runName: string }).runName, RUN);
  });

  it('writes its keys nowhere', async () => {
    const history = await cluster.cli('workflow', 'show', '--workflow-id', RUN, '--output', 'json');
    assert(!history.includes(server.environment['AWS_SECRET_ACCESS_KEY'] ?? ''));
  });
});
