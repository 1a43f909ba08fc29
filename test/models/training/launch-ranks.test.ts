import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../../src/platform/package-root.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';

describe('launch_ranks', function () {
  this.timeout(180_000);
  let folder: string;
  let start: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ranks-'));
    start = join(folder, 'start');
    await mkdir(start);
    await writeFile(join(start, 'job.json'), '{}');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const readLog = (file = join(folder, 'log')) => readFile(file, 'utf8');

  it('starts all ranks once every node is there, with what they need to find each other', async () => {
    const script = 'echo "$RANK $LOCAL_RANK $WORLD_SIZE $MASTER_ADDR $MASTER_PORT"';
    const second = launch(script, { nodes: 2, processes: 2, node: 1 });
    while (!existsSync(join(start, 'nodes', '1.json'))) await sleep(20);
    assert(!existsSync(join(start, 'node-1.log')), 'it waits for the first node');
    const first = launch(script, { nodes: 2, processes: 2 });
    assert.deepEqual([(await first.ended).code, (await second.ended).code], [0, 0]);
    const lines = `${await readLog()}${await readLog(join(start, 'node-1.log'))}`.trimEnd().split('\n');
    const port = /\d+$/.exec(lines[0] ?? '')?.[0];
    assert.deepEqual(lines.sort(), [
      ...[`0 0 4 127.0.0.1 ${port}`, `1 1 4 127.0.0.1 ${port}`],
      ...[`2 0 4 127.0.0.1 ${port}`, `3 1 4 127.0.0.1 ${port}`],
    ]);
    assert.match((await first.ended).output, /^[01] [01] 4 /, 'also on standard output');
  });

  it('starts a single trainer without the variables of ranks', async () => {
    const { code } = await launch('echo "world ${WORLD_SIZE:-none}"; exit 65', {}).ended;
    assert.equal(code, 65);
    assert.equal(await readLog(), 'world none\n');
  });

  it('ends with the code of the first rank that failed, after a moment in which the others may say why', async () => {
    const script = `
      if [ $RANK = 1 ]; then kill -9 $$; fi
      if [ $RANK = 2 ]; then
        until grep -qs killed ${join(folder, 'log')}; do sleep 0.1; done
        echo lost rank 1; exit 1
      fi
      exec sleep 1000`;
    // The moment is long enough for a machine that stands still meanwhile.
    const setUp = 'import trainer.launch_ranks as l; l.FAILED_RANK_SECONDS = 10';
    const { code } = await launch(script, { processes: 3 }, setUp).ended;
    assert.equal(code, 137);
    assert.match(await readLog(), /^rank 1 was killed by SIGKILL\nlost rank 1\n$/);
  });

  it('hands a signal on, and lets all ranks save for as long as they need', async () => {
    const script = 'trap "kill \\$!; sleep $RANK; exit 75" TERM; sleep 1000 & echo up; wait';
    const { child, ended } = launch(script, { processes: 2 });
    while ((await readLog().catch(() => '')) !== 'up\nup\n') await sleep(20);
    child.kill('SIGTERM');
    assert.equal((await ended).code, 75);
  });

  it('stops while it waits for other nodes', async () => {
    const { child, ended } = launch('true', { nodes: 2 });
    while (!existsSync(join(start, 'nodes', '0.json'))) await sleep(20);
    child.kill('SIGTERM');
    assert.equal((await ended).code, 75);
  });

  it('says that the store is not mounted if the job is not there', async () => {
    await rm(join(start, 'job.json'));
    const { code, output } = await launch(
      'true',
      {},
      'import trainer.launch_ranks as l; l.JOB_FILE_SECONDS = 0',
    ).ended;
    assert.equal(code, 78);
    assert.equal(
      output,
      `trainer: ${start} of the worker is not visible in this container: mount the volume of the store at the same path\n`,
    );
  });

  it('does not start again what has ended', async () => {
    await writeFile(join(start, 'exit.json'), '{}');
    const { code, output } = await launch('echo again', {}).ended;
    assert.equal(code, 75);
    assert.equal(output, `trainer: ${start}: this start has ended before\n`);
  });

  function launch(
    script: string,
    { nodes = 1, processes = 1, node = 0 },
    setUp = 'import trainer.launch_ranks as l',
  ) {
    const program = `${setUp}; import sys; sys.exit(l.main())`;
    const child = spawn(
      python,
      [
        ...['-c', program, '--nodes', String(nodes), '--processes', String(processes)],
        ...['--start', start, '--log', join(folder, 'log'), '--', 'bash', '-c', script],
      ],
      { cwd: packageRoot, env: { ...process.env, JOB_COMPLETION_INDEX: String(node) } },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (output += data.toString()));
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, output }));
    return { child, ended };
  }
});
