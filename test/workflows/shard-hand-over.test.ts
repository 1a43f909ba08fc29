import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PairsJudging, startPairsJudging } from '../../src/client/index.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { correctJudgment, sampleJudge } from '../support/sample-judge.ts';
import {
  isCanary,
  type RecordedRequest,
  startScriptedEndpoint,
  type ScriptedEndpoint,
} from '../support/scripted-endpoint.ts';

/** One request each. */
const PAIRS = 240;
const SHARD_SIZE = 10;
const PLACES = 4;
/** The shards that may run at once, all but the newest of which have handed over. */
const MOST_SHARDS = 4;

describe('a stage whose shards hand over to each other', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  /** Whether the request of this number, from 0, is not answered before `release`. */
  let isHeld: (request: number) => boolean;
  let held: Promise<void>;
  let release: () => void;
  let asked: RecordedRequest[];
  let unanswered: Set<string>;
  let undisturbed: string;

  const hold = (which: typeof isHeld) => {
    isHeld = which;
    held = new Promise((resolve) => (release = resolve));
  };

  before(async () => {
    cluster = await startCluster();
    await mkdir(cluster.storeRoot, { recursive: true });
    const rows = Array.from({ length: PAIRS }, (_, row) => ({
      instruction: `which is more, ${row}?`,
      responseA: `it is ${row % 7}`,
      responseB: `it is ${row % 5}`,
    }));
    await writeFile(fileOf('pairs.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    await writeFile(fileOf('judge.json'), JSON.stringify(sampleJudge()));
  });
  beforeEach(async () => {
    asked = [];
    unanswered = new Set();
    hold(() => false);
    endpoint = await startScriptedEndpoint({
      script(request) {
        const text = correctJudgment(request.body.messages.at(-1)?.content ?? '');
        const answer = { kind: 'answer', texts: [text], finishReason: 'stop' } as const;
        if (isCanary(request.body) || !isHeld(asked.push(request) - 1)) return answer;
        const body = JSON.stringify(request.body);
        unanswered.add(body);
        return { ...answer, heldUntil: held.then(() => unanswered.delete(body)) };
      },
    });
  });
  afterEach(async () => {
    release();
    await cluster.stopWorkers();
    await endpoint.close();
  });
  after(() => cluster.close());

  const fileOf = (name: string) => join(cluster.storeRoot, '..', name);
  const startWorker = () => cluster.startWorker('--roles', 'workflow,inference');
  /** @param heartbeatSeconds by default so long that no attempt is replaced, whose requests in flight would be sent again */
  const judge = (runName: string, concurrentShards = 1, heartbeatSeconds = 60) =>
    startPairsJudging(cluster.client, {
      runName,
      serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: 'judge' },
      judgeFile: fileOf('judge.json'),
      pairsFile: fileOf('pairs.jsonl'),
      orders: 'one',
      shardSize: SHARD_SIZE,
      inference: { concurrentShards, concurrentRequestsPerShard: PLACES / concurrentShards },
      timeouts: { heartbeatSeconds },
    });
  const until = async (judging: PairsJudging, reached: () => boolean) => {
    while (!reached()) {
      assert.notEqual((await judging.progress().catch(() => undefined))?.status, 'failed');
      await sleep(50);
    }
  };
  const atRest = async () => {
    for (let before = -1; asked.length !== before; await sleep(1500)) before = asked.length;
  };
  const verdictsOf = async (judging: PairsJudging) => {
    const { verdicts } = await judging.result();
    return readFile(join(cluster.storeRoot, verdicts.uri, 'records.jsonl'), 'utf8');
  };
  const repeated = () => {
    const bodies = asked.map(({ body }) => JSON.stringify(body));
    return bodies.filter((body, index) => bodies.indexOf(body) < index);
  };

  it('goes on with all others while a request of the first is in flight, with as many requests at once as configured', async () => {
    startWorker();
    undisturbed = await verdictsOf(await judge('undisturbed'));
    assert.equal(asked.length, PAIRS);

    asked = [];
    hold((request) => request === 0);
    const judging = await judge('held');
    await until(judging, () => asked.length === PAIRS);
    assert.equal(unanswered.size, 1);
    assert.equal((await judging.progress()).status, 'running');
    release();
    assert.equal(await verdictsOf(judging), undisturbed);
    assert.equal(endpoint.mostInFlight(), PLACES);
  });

  it('begins no other shard while it is paused, and goes on after that', async () => {
    startWorker();
    hold((request) => request % SHARD_SIZE === 0);
    const judging = await judge('paused');
    await until(judging, () => asked.length > SHARD_SIZE);
    await judging.pause();
    await atRest();
    release();
    await atRest();
    assert(asked.length <= MOST_SHARDS * SHARD_SIZE, `${asked.length} requests`);
    hold(() => false);
    await judging.resume();
    assert.equal(await verdictsOf(judging), undisturbed);
    assert.deepEqual(repeated(), []);
    assert.equal(endpoint.mostInFlight(), PLACES);
  });

  it('repeats only the requests in flight if its worker is killed after a shard has handed over', async () => {
    const worker = startWorker();
    hold((request) => request === 0 || request >= 2 * SHARD_SIZE);
    const judging = await judge('killed', 1, 5);
    await until(judging, () => unanswered.size === PLACES);
    await atRest();
    const inFlight = new Set(unanswered);
    assert.equal(asked.length, 2 * SHARD_SIZE + PLACES - 1);
    await worker.kill();
    hold(() => false);
    startWorker();
    assert.equal(await verdictsOf(judging), undisturbed);
    assert.deepEqual(new Set(repeated()), inFlight);
    assert.equal(asked.length, PAIRS + PLACES);
    assert.equal(endpoint.mostInFlight(), PLACES);
  });

  it('has as many requests at once on two workers as on one', async () => {
    startWorker();
    startWorker();
    hold(() => true);
    const judging = await judge('shared', 2);
    await until(judging, () => unanswered.size === PLACES);
    await atRest();
    assert.equal(unanswered.size, PLACES);
    isHeld = () => false;
    release();
    assert.equal(await verdictsOf(judging), undisturbed);
    assert.deepEqual(repeated(), []);
  });
});
