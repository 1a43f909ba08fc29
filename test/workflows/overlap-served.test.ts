import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ConfigurationInput, type RunProgress, startRun } from '../../src/client/index.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { compareRuns } from '../../tools/chaos/compare-runs.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { tinyConfiguration, waitForProgress } from '../support/tiny-run.ts';

const scriptedServer = fileURLToPath(import.meta.resolve('../support/scripted-server.ts'));

/** Real runs of two iterations, whose judges a worker's machine serves. */
describe('a run that overlaps its stages on a served model', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  /** The servers hold their answers until the file exists; those of M_1 wait for a file of their run. */
  const gateFile = () => join(cluster.storeRoot, '..', 'gate');
  const gateOfFirst = (runName: string) => `${gateFile()}-${runName}`;
  const startsFile = () => join(cluster.storeRoot, '..', 'starts');

  before(async () => {
    cluster = await startCluster();
    writeFileSync(gateFile(), '');
    cluster.startWorker();
  });
  after(() => cluster.close());

  const start = (runName: string) =>
    `echo $$ ${runName} "$0" >> ${startsFile()}; ` +
    `case "$0" in */iteration-1/*) gate=${gateOfFirst(runName)} ;; *) gate=${gateFile()} ;; esac; exec "$@" --gate "$gate"`;
  /** Each start of a server is a line with its process, its run and its checkpoint. */
  const configuration = (runName: string, changes: Partial<ConfigurationInput> = {}) =>
    tinyConfiguration(runName, '', {
      iterations: 2,
      serving: {
        kind: 'command',
        command: [
          ...['sh', '-c', start(runName), '{checkpoint}'],
          ...[process.execPath, scriptedServer, '--host', '{host}', '--port', '{port}'],
        ],
        servedModelName: 'judge',
        healthPath: '/v1/models',
        stopWhileTraining: false,
      },
      ...changes,
    });

  const serversOf = (runName: string, iteration: number) =>
    readFileSync(startsFile(), 'utf8')
      .split('\n')
      .filter((line) => line.includes(` ${runName} `) && line.includes(`/iteration-${iteration}/`))
      .map((line) => Number.parseInt(line, 10));

  /** How often a judge was to be served, by the history of the run. */
  async function serveRequests(runName: string, iteration: number): Promise<number> {
    const { events } = await cluster.client.workflow.getHandle(runName).fetchHistory();
    const inputs = (events ?? [])
      .map(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled)
      .filter((scheduled) => scheduled?.activityType?.name === 'serveModel')
      .map((scheduled) => Buffer.from(scheduled?.input?.payloads?.[0]?.data ?? []).toString());
    return inputs.filter((input) => (JSON.parse(input) as { iteration: number }).iteration === iteration)
      .length;
  }

  const isRunning = (name: string, iteration: number) => (progress: RunProgress) =>
    progress.stages.some((stage) => stage.name === name && stage.iteration === iteration);

  it('has the same artifacts as a run that does one stage after the other, also if both stages lose their server', async () => {
    const budget = { requests: 1_000_000 };
    writeFileSync(gateOfFirst('one-by-one'), '');
    await (await startRun(cluster.client, configuration('one-by-one', { budget }))).result();

    const run = await startRun(cluster.client, configuration('overlapping'));
    await waitForProgress(
      run,
      (progress) => isRunning('evaluateJudge', 1)(progress) && isRunning('judgePairs', 2)(progress),
    );
    const [server = assert.fail('M_1 has no server')] = serversOf('overlapping', 1);
    process.kill(server, 'SIGKILL');
    await waitForProgress(run, () => serversOf('overlapping', 1).length > 1);
    writeFileSync(gateOfFirst('overlapping'), '');
    await run.result();

    assert.deepEqual(compareRuns(cluster.storeRoot, 'one-by-one', 'overlapping').differences, []);
    assert.equal(serversOf('overlapping', 1).length, 2);
    assert((await serveRequests('overlapping', 1)) <= 2);
    const { machines } = await run.progress();
    const [machine] = machines ?? [];
    assert.equal(machines?.length, 1);
    assert((machine?.busySeconds ?? 0) > 1, JSON.stringify(machines));
    assert(
      machine?.idle.some(({ reason }) => reason === 'a model server started'),
      JSON.stringify(machines),
    );
  });

  it('has one server at a time if generator, first judge, judges and checkpoints need the same GPUs', async () => {
    const other = join(cluster.storeRoot, '..', 'other');
    await cp(join(packageRoot, 'embedded/model'), other, { recursive: true });
    const file = `${startsFile()}-in-turn`;
    writeFileSync(file, '');
    // An ended process may wait for its parent (Z), and another program may have got its number.
    const living =
      'case "$(ps -ww -o stat= -o args= -p $p)" in Z*) ;; *"$gate"*) echo $p lives when $0 starts ;; esac';
    const note = `gate=${gateFile()}; for p in $(cut -d' ' -f1 ${file}); do ${living} >> ${file}-conflicts; done; echo $$ "$0" >> ${file}; exec "$@"`;
    const { fineTuning } = configuration('in-turn');
    const [round] = fineTuning?.rounds ?? [];
    assert(round !== undefined);
    const run = await startRun(
      cluster.client,
      configuration('in-turn', {
        iterations: 1,
        models: {
          seed: { checkpoint: 'embedded/model' },
          generator: { checkpoint: other },
          firstJudge: { checkpoint: other },
        },
        serving: {
          kind: 'command',
          command: [
            ...['sh', '-c', note, '{checkpoint}', process.execPath, scriptedServer],
            ...['--host', '{host}', '--port', '{port}', '--gate', gateFile()],
          ],
          servedModelName: 'judge',
          healthPath: '/v1/models',
          stopWhileTraining: true,
        },
        fineTuning: {
          ...fineTuning,
          rounds: [
            {
              ...round,
              selectCheckpoint: { everySteps: 1 },
              hyperparameters: { ...round.hyperparameters, maxSteps: 3 },
            },
          ],
        },
      }),
    );
    const { iterations } = await run.result();
    assert.equal(iterations[1]?.training?.checkpoints?.length, 3);
    const started = readFileSync(file, 'utf8').trim().split('\n');
    assert.deepEqual(
      started.map((line) => /other$|embedded\/model$|iteration-1\/.*$/.exec(line)?.[0]),
      [
        ...['other', 'embedded/model', 'other'],
        ...['iteration-1/trainer/candidates/step-1/model', 'iteration-1/trainer/candidates/step-2/model'],
        ...['iteration-1/trainer/model', 'iteration-1/training/model'],
      ],
    );
    assert.equal(readFileSync(`${file}-conflicts`, 'utf8'), '', started.join('\n'));
  });
});
