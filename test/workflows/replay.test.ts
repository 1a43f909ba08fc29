import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Resource } from '@opentelemetry/resources';
import { NoopSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry';
import { Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { HISTORIES_FOLDER, textsOf } from './kept-histories.ts';
import '../support/local-server.ts';
import { bundleWorkflows, workflowBundle } from './workflow-bundle.ts';

interface KeptHistory {
  events: Record<string, { workflowType?: { name: string }; originalExecutionRunId?: string }>[];
}

const files = readdirSync(HISTORIES_FOLDER).sort();
const read = (file: string) => JSON.parse(readFileSync(join(HISTORIES_FOLDER, file), 'utf8')) as KeptHistory;
const startOf = ({ events }: KeptHistory) => events[0]?.['workflowExecutionStartedEventAttributes'] ?? {};
const workflowIdOf = (file: string) => file.replace(/(\.part-\d+)?\.json$/, '').replaceAll('.', '/');

/** A history is kept of every way in which a workflow can go: `npm run record:histories` makes them anew. */
describe('the recorded histories', function () {
  this.timeout(120_000);
  const errors = new Map<string, Error | undefined>();

  before(async () => {
    const histories = files.map((file) => ({ workflowId: workflowIdOf(file), history: read(file) }));
    const options = { workflowBundle: await workflowBundle() };
    for await (const { runId, error } of Worker.runReplayHistories(options, histories))
      errors.set(runId, error);
  });

  for (const file of files) {
    it(`still replay: ${file}`, () => {
      const { originalExecutionRunId: runId = '' } = startOf(read(file));
      assert(errors.has(runId), 'it was not replayed');
      assert.equal(errors.get(runId), undefined);
    });
  }

  it('cover every workflow, and every way in which a run can end', () => {
    const seen = new Set<string>();
    for (const file of files) {
      const history = read(file);
      const type = startOf(history).workflowType?.name;
      const end = Object.keys(history.events.at(-1) ?? {}).find((name) => name.endsWith('Attributes'));
      seen.add(`${type} ${end?.replace(/^workflowExecution|EventAttributes$/g, '')}`);
    }
    for (const type of ['selfTaughtEvaluator', 'mapShards']) {
      for (const end of ['Completed', 'Failed', 'Canceled', 'ContinuedAsNew']) {
        // A stage fails only by what can't be mended; its run then fails with it.
        if (type === 'mapShards' && end === 'Failed') continue;
        assert(seen.has(`${type} ${end}`), `there is no ${type} that is ${end}`);
      }
    }
    for (const alone of ['evaluateJudge', 'judgePairsFile']) assert(seen.has(`${alone} Completed`), alone);
    assert(textsOf(read('budgeted.json')).includes('setBudget'), 'no budget was raised');
    const planned = textsOf(read('with-plans.json')).join('\n');
    for (const stage of ['planJudgments', 'prepareTasks'])
      assert(planned.includes(stage), `no run has the stage ${stage}`);
  });

  it('still replay on workers with tracing, although they were recorded without', async () => {
    const resource = new Resource({});
    const plugin = new OpenTelemetryPlugin({ resource, spanProcessor: new NoopSpanProcessor() });
    const traced = await bundleWorkflows([plugin]);
    assert.notEqual(traced.code, (await workflowBundle()).code);
    const histories = files.map((file) => ({ workflowId: workflowIdOf(file), history: read(file) }));
    let replayed = 0;
    for await (const { error } of Worker.runReplayHistories(
      { workflowBundle: traced, plugins: [plugin] },
      histories,
    )) {
      assert.equal(error, undefined);
      replayed += 1;
    }
    assert.equal(replayed, files.length);
  });

  it('do not replay if the workflow behaves differently', async () => {
    const file = 'two-iterations.json';
    const history = read(file);
    // As if preparing the pool had come under another name in the version that made it.
    const text = JSON.stringify(history).replaceAll('"preparePool"', '"preparePools"');
    const options = { workflowBundle: await workflowBundle() };
    const replaying = Worker.runReplayHistory(options, JSON.parse(text), workflowIdOf(file));
    await assert.rejects(replaying, (error: unknown) => {
      assert(error instanceof DeterminismViolationError);
      assert.match(
        error.message,
        /'preparePools' does not match activity type of activity command 'preparePool'/,
      );
      return true;
    });
  });

  it('are small, and contain nothing about the machine that recorded them', () => {
    for (const file of files) {
      const text = readFileSync(join(HISTORIES_FOLDER, file), 'utf8');
      assert(text.length < 300_000, `${file} has ${text.length} bytes`);
      for (const found of textsOf(read(file))) {
        assert.doesNotMatch(found, /\/(tmp|work|root|Users|var|private)\/|\/home\/\w|\d@\w/, file);
      }
    }
  });
});
