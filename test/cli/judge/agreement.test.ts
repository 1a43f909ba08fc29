import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BiasFigure } from '../../../src/benchmarks/biases.ts';
import type { JudgeAgreement } from '../../../src/benchmarks/judge-agreement.ts';
import { orderVerdict, pairVerdict } from '../../../src/method/pair-comparison.ts';
import { toJudgedPair } from '../../../src/pair-judging/judged-pair.ts';
import { readFilePairs } from '../../../src/pair-judging/read-file-pairs.ts';
import { runCli } from '../../support/run-cli.ts';

const PAIRS = 40;

/** The better response of each pair: A if the row's number is even. The longer one is better in the first half. */
const better = (row: number) => (row % 2 === 0 ? 'A' : 'B');
/** The judge errs in both orders on every fifth pair. */
const errs = (row: number) => row % 5 === 0;

describe('the commands agreement and biases', function () {
  this.timeout(300_000);
  let folder: string;
  const at = (name: string) => join(folder, name);
  const write = (name: string, rows: readonly object[]) =>
    writeFile(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'agreement-'));
    const rows = Array.from({ length: PAIRS }, (_, row) => {
      const [long, short] = ['word '.repeat(30), 'word '.repeat(10)];
      const longIsA = (better(row) === 'A') === row < PAIRS / 2;
      return {
        id: `pair-${row}`,
        instruction: `question ${row}`,
        responseA: longIsA ? long : short,
        responseB: longIsA ? short : long,
        label: better(row),
        subset: row < 10 ? 'mail' : 'code',
        modelA: row % 4 < 2 ? 'Llama-3' : 'gpt-4',
        modelB: row % 4 < 2 ? 'gpt-4' : 'Llama-3',
      };
    });
    await write('pairs.jsonl', rows);
    const verdicts = rows.map(({ id, label }, row) => {
      const said = errs(row) ? (label === 'A' ? 'B' : 'A') : label;
      const swapped = said === 'A' ? 'B' : 'A';
      const text = (letter: string) => [{ text: `Because of this, [[${letter}]]`, finishReason: 'stop' }];
      const orders = [orderVerdict('as-given', text(said)), orderVerdict('swapped', text(swapped))];
      const pair = { row, id, label: label as 'A' | 'B' };
      return toJudgedPair(pair, {
        ...pairVerdict(orders),
        requests: 2,
        tokens: { prompt: 9, completion: 9 },
      });
    });
    await write('verdicts.jsonl', verdicts);
    await write(
      'labels.jsonl',
      rows.flatMap(({ id }, row) => [
        { id, rater: 'anna', label: better(row) },
        { id, rater: 'ben', label: row % 10 === 0 ? better(row + 1) : better(row) },
        { id, rater: 'chris', label: row === 3 ? 'tie' : better(row) },
      ]),
    );
  });
  after(() => rm(folder, { recursive: true }));

  it('compare the verdicts with the labels of the judged file', async () => {
    const { code, out, err } = await runCli(['agreement', at('verdicts.jsonl'), '--json']);
    assert.equal(code, 0, err);
    const { judge, raters, disagreements } = JSON.parse(out) as JudgeAgreement;
    // 32 of 40; A and B are equally frequent among labels and verdicts: kappa is (0.8 - 0.5) / 0.5.
    assert.equal(judge?.agreement, 0.8);
    assert(Math.abs((judge?.kappa ?? 0) - 0.6) < 0.01, String(judge?.kappa));
    assert.deepEqual(
      raters.map(({ rater }) => rater),
      ['label'],
    );
    assert.equal(disagreements.length, 8);
    assert.deepEqual(
      disagreements.map(({ id }) => id).toSorted(),
      [0, 5, 10, 15, 20, 25, 30, 35].map((row) => `pair-${row}`).toSorted(),
    );
  });

  it('compare them with several raters, by category, and name the pairs to look at first', async () => {
    const args = [
      'agreement',
      at('verdicts.jsonl'),
      '--labels',
      at('labels.jsonl'),
      '--pairs',
      at('pairs.jsonl'),
    ];
    const { code, out, err } = await runCli([...args, '--show', '2']);
    assert.equal(code, 0, err);
    assert.match(out, /40 of 40 pairs have a label\./);
    assert.match(
      out,
      /most of 3 raters .* 40 .* 80\.0% \(\d\d\.\d–\d\d\.\d\) .* 0\.\d\d \(0\.\d\d to 0\.\d\d\)/,
    );
    assert.match(out, /ben .* 40 .* 90\.0%/);
    assert.match(out, /between raters and judge \(Fleiss\)/);
    assert.match(out, /The intervals take the 40 questions as independent/);
    assert.match(out, /category .*\n.*\n.*code .* 30 .*\n.*\n.*mail .* 10 /);
    // People agree with each other on pair-15, not on pair-0.
    assert.match(out, /Pairs to look at first[^]*pair-15 .* code .* A .* B .* 100\.0% .* 100\.0%/);
    assert.doesNotMatch(out, /pair-0 /);
    assert.match(
      out,
      /Agreement with most of the other raters:\n {2}anna 100\.0%, the judge on the same 35 pairs /,
    );
  });

  it('take raters and models of the judged file, in the terms of its columns', async () => {
    // The verdict file has B as the label if the chosen response is B.
    const chosen = Array.from({ length: 6 }, (_, row) => ({
      prompt: `question ${row}`,
      chosen: 'one',
      rejected: 'two words',
      raters: { anna: 'chosen', ben: row === 0 ? 'rejected' : 'chosen' },
      chosen_model: row < 4 ? 'llama' : 'gpt',
      rejected_model: row < 4 ? 'gpt' : 'llama',
    }));
    await write('chosen.jsonl', chosen);
    const labels: ('A' | 'B')[] = [];
    for await (const { pair } of readFilePairs(at('chosen.jsonl')))
      if (pair?.label === 'A' || pair?.label === 'B') labels.push(pair.label);
    assert(labels.includes('A') && labels.includes('B'), labels.join());
    // The judge names the chosen response in the first order, and the first one in the other order.
    await write(
      'chosen-verdicts.jsonl',
      labels.map((label, row) => {
        const text = (letter: string) => [{ text: `[[${letter}]]`, finishReason: 'stop' }];
        const orders = [orderVerdict('as-given', text(label)), orderVerdict('swapped', text('A'))];
        return toJudgedPair({ row, id: `${row}`, label }, pairVerdict(orders));
      }),
    );
    const files = [at('chosen-verdicts.jsonl'), at('chosen.jsonl')] as const;
    const json = await runCli(['agreement', files[0], '--pairs', files[1], '--json']);
    assert.equal(json.code, 0, json.err);
    const { raters, betweenPeople } = JSON.parse(json.out) as JudgeAgreement;
    // In the other order, the first response is B: the verdicts are a tie if the chosen one is A.
    const agreeing = labels.filter((label) => label === 'B').length / labels.length;
    assert.deepEqual(
      raters.map(({ rater, items }) => [rater, items]),
      [
        ['anna', 6],
        ['ben', 6],
      ],
    );
    assert.equal(raters[0]?.agreement, agreeing);
    assert.equal(betweenPeople?.agreement, 5 / 6);
    const found = await runCli(['biases', ...files, '--family', 'llama', '--json']);
    const { biases } = JSON.parse(found.out) as { biases: BiasFigure[] };
    const groups = (name: string) => biases.find(({ bias }) => bias === name)?.groups;
    // Of the pairs with a majority, three have a better response of the own family.
    assert.deepEqual(
      groups('own family')?.map(({ judgments }) => judgments),
      [6, 4],
    );
    // Each verdict in the other order is for the first response, and so is one in the first order if the chosen one is A.
    const first = labels.length + labels.filter((label) => label === 'A').length;
    assert.equal(groups('position')?.[0].share, first / (2 * labels.length));
  });

  it('measure the biases on the judged file', async () => {
    const args = ['biases', at('verdicts.jsonl'), at('pairs.jsonl')];
    const json = await runCli([...args, '--family', 'llama', '--json']);
    assert.equal(json.code, 0, json.err);
    const found = JSON.parse(json.out) as {
      labelled: number;
      questions: number;
      biases: BiasFigure[];
      notMeasured: { bias: string; reason: string }[];
    };
    assert.deepEqual([found.labelled, found.questions], [PAIRS, PAIRS]);
    const figure = (bias: string) => found.biases.find((each) => each.bias === bias);
    assert.equal(figure('position')?.difference, 0);
    // The judge errs on four of twenty pairs whether the longer or the shorter response is better.
    assert.deepEqual(
      figure('length')?.groups.map(({ share }) => share),
      [0.8, 0.8],
    );
    assert.deepEqual(
      figure('own family')?.groups.map(({ judgments }) => judgments),
      [40, 40],
    );
    assert.deepEqual(
      found.notMeasured.map(({ bias }) => bias),
      ['similar length', 'verbosity'],
    );
    const { out } = await runCli([...args, '--length-limit', '4']);
    assert.match(out, /similar length .* 40, 40 .* 0\.0 \(-\d+\.\d to \+\d+\.\d\)/);
    assert.match(out, /length: No bias is shown: 80\.0% correct if the longer response is better, 80\.0% if/);
    assert.match(out, /own family: not measured\. --family gives a text/);
  });

  it('refuse what they can not use, and say what, where and what to do', async () => {
    await write('none.jsonl', [{ text: 'no verdict' }]);
    await write('task.jsonl', [
      { row: 0, id: '0', task: 'verify', verdict: 'correct', label: true, turns: [] },
    ]);
    await write('unlabelled.jsonl', [{ row: 0, id: 'pair-0', verdict: 'A', orders: [] }]);
    await write('strange.jsonl', [{ id: 'pair-0', label: 'C' }, { id: 'pair-1' }]);
    await write('twice.jsonl', [
      { id: 'pair-0', rater: 'anna', label: 'A' },
      { id: 'pair-0', rater: 'anna', label: 'B' },
    ]);
    await write('others.jsonl', [{ id: 'elsewhere', label: 'A' }]);
    await write('fewer.jsonl', [{ id: 'pair-0', instruction: 'question 0', responseA: 'a', responseB: 'b' }]);
    const verdicts = at('verdicts.jsonl');
    const refused: [string[], RegExp][] = [
      [
        ['agreement', at('none.jsonl')],
        /none\.jsonl: 1 row can't be read as a verdict: give a file that the command judge has written[^]*row 0: no field "row"/,
      ],
      [['agreement', at('missing.jsonl')], /missing\.jsonl/],
      [
        ['agreement', at('task.jsonl')],
        /task\.jsonl has verdicts of the task "verify", but only those on pairs .*; the command judge prints the figures of tasks/,
      ],
      [['agreement', at('unlabelled.jsonl')], /no pair has a label\. Give people's labels with --labels/],
      [
        ['agreement', verdicts, '--labels', at('strange.jsonl')],
        /2 rows can't be read as a label: [^]*row 0: "label" is "C", but must be "A", "B" or "tie"[^]*row 1: no field "label", "betterSide" or "raters"/,
      ],
      [
        ['agreement', verdicts, '--labels', at('twice.jsonl')],
        /row 1: a second label of "anna" on the pair "pair-0"/,
      ],
      [
        ['agreement', verdicts, '--labels', at('others.jsonl')],
        /none of its 1 pairs has a verdict, for example the pair "elsewhere"/,
      ],
      [['agreement', verdicts, '--show', '-1'], /--show is -1, but must be a whole number of 0 or more/],
      [
        ['biases', verdicts, at('fewer.jsonl')],
        /fewer\.jsonl is not the file that was judged: it has no pair in row 1/,
      ],
      [['biases', verdicts, at('labels.jsonl')], /labels\.jsonl is not the file that was judged/],
      [
        ['biases', verdicts, at('pairs.jsonl'), '--length-limit', '0.5'],
        /--length-limit is 0\.5, but must be a number of 1 or more/,
      ],
    ];
    for (const [args, message] of refused) {
      const { code, out, err } = await runCli(args);
      assert.equal(code, 2, `${args.join(' ')}: ${err}`);
      assert.equal(out, '');
      assert.match(err, message);
    }
  });

  it('leave out labels of other pairs, and say how many', async () => {
    await write('some.jsonl', [
      { id: 'pair-1', label: 'B' },
      { id: 'elsewhere', label: 'A' },
    ]);
    const { code, out, err } = await runCli([
      'agreement',
      at('verdicts.jsonl'),
      '--labels',
      at('some.jsonl'),
    ]);
    assert.equal(code, 0, err);
    assert.match(
      err,
      /some\.jsonl: 1 of its 2 pairs have no verdict and are left out, for example "elsewhere"/,
    );
    assert.match(out, /1 of 40 pairs have a label/);
    assert.match(out, /all labels are the same/);
  });
});
