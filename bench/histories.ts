/**
 * `npm run bench:histories`: measures the size of a run's histories. The real workflows run on a real server with activities that
 * return immediately.
 *
 *   npm run bench:histories -- --instructions 1000000 --iterations 1 --json
 */
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { runTool } from '../tools/setup/run-tool.ts';
import { simulateRun, type WorkflowHistories } from './simulation/simulated-run.ts';

/** The limits for every history: Temporal warns at 10,240 events or 10 MB, and terminates a workflow at five times that. */
const GOAL = { events: 10_000, bytes: 10_000_000 };

const { values } = parseArgs({
  options: {
    instructions: { type: 'string', default: '1000000' },
    iterations: { type: 'string', default: '1' },
    samples: { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
  },
});

await runTool(async () => {
  const [instructions, iterations] = [Number(values.instructions), Number(values.iterations)];
  const { workflows, progressBytes, seconds } = await simulateRun({
    instructions,
    iterations,
    configuration: { judging: { samples: Number(values.samples) } },
  });
  const all = workflows.flatMap(({ histories }) => histories);
  const summary = {
    instructions,
    iterations,
    samples: Number(values.samples),
    seconds,
    histories: all.length,
    mostEvents: Math.max(...all.map(({ events }) => events)),
    mostBytes: Math.max(...all.map(({ bytes }) => bytes)),
    eventsPer1000Instructions: (1000 * sum(all.map(({ events }) => events))) / instructions,
    bytesPer1000Instructions: (1000 * sum(all.map(({ bytes }) => bytes))) / instructions,
    progressBytes,
  };
  if (values.json) console.log(JSON.stringify(summary));
  else {
    console.log(tableOf(workflows));
    console.log(
      `${instructions} instructions x ${summary.samples} judgments, ${iterations} iterations: ${all.length} histories in ${seconds.toFixed(0)} s, ` +
        `${summary.eventsPer1000Instructions.toFixed(1)} events and ${(summary.bytesPer1000Instructions / 1000).toFixed(1)} kB for each 1,000 instructions; ` +
        `the largest has ${summary.mostEvents} events, ${(summary.mostBytes / 1e6).toFixed(2)} MB; progress answers ${(progressBytes / 1000).toFixed(1)} kB`,
    );
  }
  if (summary.mostEvents >= GOAL.events || summary.mostBytes >= GOAL.bytes) {
    throw new Error(`a history has passed ${GOAL.events} events or ${GOAL.bytes / 1e6} MB`);
  }
});

function tableOf(workflows: readonly WorkflowHistories[]): string {
  const table = new Table({
    head: ['workflow', 'histories', 'events', 'most in one', 'MB', 'most in one'],
    style: { head: [], border: [] },
  });
  for (const { workflowId, histories } of workflows.toSorted((a, b) =>
    a.workflowId < b.workflowId ? -1 : 1,
  )) {
    const events = histories.map((history) => history.events);
    const megabytes = histories.map(({ bytes }) => bytes / 1e6);
    table.push([
      workflowId,
      histories.length,
      sum(events),
      Math.max(...events),
      sum(megabytes).toFixed(2),
      Math.max(...megabytes).toFixed(2),
    ]);
  }
  return table.toString();
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
