/**
 * Compares the durable path with a bare loop over the `openai` client: the same pairs judged at the same endpoint with the same
 * number of requests in flight, in alternating rounds.
 *
 *     npm run bench:durable -- [--requests 20000] [--in-flight 128] [--rounds 3] [--only bare,workflow]
 *         [--beside FOLDER] [--curator] [--json]
 *
 * The contenders, each in a process of its own: `bare` (openai, p-limit, a file of answers at the end), `client` (the same with the
 * inference client), `judge` (the command), `workflow` (the workflow judgePairsFile on a Temporal development server, with a
 * worker and a store on the disk), and with `--curator` bespokelabs-curator, which is installed into a cached environment.
 * `--beside` adds client, judge and workflow of another checkout, for a comparison of two versions in one run.
 *
 * Prints the requests a second between the first request and the last answer as the endpoint sees them, the processor time of
 * the contender's process for each request in between, both also as a ratio to `bare` of the same round, and apart from that the
 * seconds before the first request and after the last answer. The medians of the rounds count. The endpoint answers after 50 ms in
 * a process of its own. Processor times need Linux.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { renderPrompt } from '../src/method/prompt-template.ts';
import { readPrompt } from '../src/runs/read-prompt.ts';
import { packageRoot } from '../src/platform/package-root.ts';
import { sampleJudge } from '../test/support/sample-judge.ts';
import { runTool } from '../tools/setup/run-tool.ts';
import {
  type Contender,
  curatorScript,
  judgeCommand,
  loop,
  startTemporal,
  type Temporal,
  workflow,
} from './throughput/contenders.ts';
import { ensureCuratorPython } from './throughput/curator-python.ts';
import { type Measurement, startMeasuringEndpoint } from './throughput/measure.ts';

const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    'in-flight': { type: 'string', default: '128' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    beside: { type: 'string' },
    curator: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const [requests, inFlight, rounds] = [options.requests, options['in-flight'], options.rounds].map(Number) as [
  number,
  number,
  number,
];

await runTool(async () => {
  const python = options.curator ? await ensureCuratorPython() : undefined;
  const folder = await mkdtemp(join(tmpdir(), 'durable-throughput-'));
  const temporal = await startTemporal(join(folder, 'temporal'));
  const endpoint = await startMeasuringEndpoint();
  try {
    const files = await writeInputs(folder);
    const contenders = chosenContenders(temporal, python);
    const results = new Map<string, Measurement[]>(contenders.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        const job = { ...files, baseUrl: endpoint.baseUrl, inFlight, folder: join(folder, 'round') };
        results.get(contender.name)?.push(await endpoint.measure(contender, job, requests));
      }
    }
    report(results);
  } finally {
    endpoint.close();
    await temporal.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

function chosenContenders(temporal: Temporal, python: string | undefined): Contender[] {
  const ofCheckout = (root: string, suffix: string) => [
    loop(`client${suffix}`, 'client', root),
    judgeCommand(`judge${suffix}`, root),
    workflow(`workflow${suffix}`, root, temporal),
  ];
  const all = [
    loop('bare', 'bare', packageRoot),
    ...ofCheckout(packageRoot, ''),
    ...(options.beside === undefined ? [] : ofCheckout(resolve(options.beside), ' beside')),
    ...(python === undefined ? [] : [curatorScript(python)]),
  ];
  const only = options.only?.split(',');
  return all.filter(
    ({ name }) => only === undefined || name === 'bare' || only.includes(name.split(' ')[0]!),
  );
}

/** Writes the pairs, the judge and the prompts: an instruction with two responses of about 500 characters each. */
async function writeInputs(folder: string) {
  const { system = '', user } = await readPrompt({ roots: [packageRoot] }, 'prompts/pairwise', []);
  const prompt = { system, user };
  const sampling = { temperature: 0.7, topP: 0.9, maxTokens: 1024 };
  const { voting } = sampleJudge();
  const judge = sampleJudge({ prompt, sampling, voting: { ...voting, sampling } });
  const pairs = Array.from({ length: requests }, (_, row) => ({
    instruction: `Question ${row}: explain in a few sentences why ${row} is or is not a prime number.`,
    responseA:
      `A number is prime if it has no divisor but 1 and itself. For ${row} I try 2, 3, 5, 7 and so on. `.repeat(
        5,
      ),
    responseB:
      `To see whether ${row} is prime, look at its last digit and at the sum of its digits first. `.repeat(5),
  }));
  const files = {
    judgeFile: join(folder, 'judge.json'),
    pairsFile: join(folder, 'pairs.jsonl'),
    requestsFile: join(folder, 'requests.jsonl'),
  };
  await mkdir(folder, { recursive: true });
  await writeFile(files.judgeFile, JSON.stringify(judge));
  await writeFile(files.pairsFile, toLines(pairs));
  await writeFile(
    files.requestsFile,
    toLines(pairs.map((pair) => ({ messages: renderPrompt(prompt, pair) }))),
  );
  return files;
}

function toLines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

function report(results: ReadonlyMap<string, readonly Measurement[]>): void {
  const bare = results.get('bare') ?? [];
  const rows = [...results].map(([name, measured]) => {
    const of = (value: (each: Measurement, round: number) => number | undefined) =>
      median(measured.map(value));
    return {
      name,
      requestsPerSecond: of((each) => each.requestsPerSecond),
      ofBare: of((each, round) => each.requestsPerSecond / bare[round]!.requestsPerSecond),
      meanInFlight: of((each) => each.meanInFlight),
      cpu: of((each) => each.cpu),
      cpuOfBare: of(({ cpu = NaN }, round) => cpu / (bare[round]!.cpu ?? NaN)),
      temporalCpu: of((each) => each.temporalCpu),
      startSeconds: of((each) => each.startSeconds),
      endSeconds: of((each) => each.endSeconds),
      seconds: of((each) => each.seconds),
    };
  });
  if (options.json) {
    console.log(JSON.stringify({ requests, inFlight, rounds, contenders: rows }));
    return;
  }
  const table = new Table({
    head: [
      '',
      'requests/s',
      'of bare',
      'in flight',
      'CPU ms',
      'of bare',
      'Temporal',
      'start s',
      'end s',
      'whole s',
    ],
    colAligns: ['left', ...Array.from({ length: 9 }, () => 'right' as const)],
    style: { head: [], border: [] },
  });
  for (const row of rows)
    table.push([
      row.name,
      format(row.requestsPerSecond, 0),
      format(row.ofBare, 2),
      format(row.meanInFlight, 0),
      format(row.cpu, 3),
      format(row.cpuOfBare, 2),
      format(row.temporalCpu, 3),
      format(row.startSeconds, 1),
      format(row.endSeconds, 1),
      format(row.seconds, 1),
    ]);
  console.log(table.toString());
  console.log(
    `${requests} requests, ${inFlight} in flight, medians of ${rounds} rounds. Requests/s and CPU ms for each request: between the ` +
      'first request and the last answer.',
  );
  if (!options.curator) console.log('With --curator, bespokelabs-curator is installed and measured too.');
}

function format(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits);
}

function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter((value) => value !== undefined).toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)];
}
