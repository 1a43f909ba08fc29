import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { packageRoot } from '../../../src/platform/package-root.ts';
import type { PairsJudgingFigures } from '../../../src/api/pairs-judging-result.ts';
import type { JudgedPair } from '../../../src/pair-judging/judged-pair.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../../support/scripted-endpoint.ts';
import { repeatedRequests } from '../../support/scripted-run.ts';
import { HeldAnswers } from '../../support/held-answers.ts';
import { directOrReasoned, directPrompt, sampleJudge } from '../../support/sample-judge.ts';

const PAIRS = 60;

describe('the command judge with direct verdicts', function () {
  this.timeout(120_000);
  let folder: string;
  let endpoint: ScriptedEndpoint;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'direct-judging-'));
    const rows = Array.from({ length: PAIRS }, (_, row) => ({
      instruction: `which is more, ${row}?`,
      responseA: `it is ${row % 5}`,
      responseB: `it is ${row % 4}`,
      label: row % 5 > row % 4 ? 'A' : row % 5 < row % 4 ? 'B' : 'tie',
    }));
    await writeFile(join(folder, 'pairs.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await writeFile(join(folder, 'judge.json'), JSON.stringify(sampleJudge()));
    await mkdir(join(folder, 'store'));
    await mkdir(join(folder, 'choose'));
    await writeFile(join(folder, 'choose', 'user.txt'), `${directPrompt.user}\n`);
  });
  beforeEach(async () => {
    endpoint = await startScriptedEndpoint({ script: directOrReasoned, models: ['the-judge'] });
  });
  afterEach(() => endpoint.close());
  after(() => rm(folder, { recursive: true }));

  function start(...more: string[]) {
    const at = ['--model', endpoint.baseUrl, '--served-model-name', 'the-judge', '--judge', 'judge.json'];
    const program = join(packageRoot, 'src', 'cli', 'main.ts');
    const child = spawn(process.execPath, [program, 'judge', 'pairs.jsonl', ...at, ...more], {
      cwd: folder,
      env: { ...process.env, SELF_TAUGHT_EVALUATOR_STORE: join(folder, 'store') },
    });
    const command = { child, out: '', err: '', ended: once(child, 'close') };
    child.stdout.on('data', (data: Buffer) => (command.out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (command.err += data.toString()));
    return command;
  }
  async function run(...more: string[]) {
    const command = start(...more);
    await command.ended;
    return { code: command.child.exitCode, out: command.out, err: command.err };
  }
  const direct = (...more: string[]) => ['--direct', '--direct-prompt', 'choose', ...more];
  const requests = () => endpoint.requests.filter(({ body }) => !isCanary(body));

  it('takes the verdict of pairs of which the judge is sure, has it reason about the others, and says what that saved', async () => {
    const { code, out, err } = await run(...direct('--threshold', '0.8', '--out', 'sure.jsonl'));
    assert.equal(code, 0, err);
    const lines = (await readFile(join(folder, 'sure.jsonl'), 'utf8')).trimEnd().split('\n');
    const verdicts = lines.map((line) => JSON.parse(line) as JudgedPair);
    for (const { row, verdict, correct, direct: found, orders } of verdicts) {
      const difference = (row % 5) - (row % 4);
      const isSure = Math.abs(difference) >= 2;
      assert.equal(correct, true, JSON.stringify({ row, verdict }));
      assert.deepEqual([found?.decided, orders.length], [isSure, isSure ? 2 : 1]);
      const probability = difference === 0 ? null : 1 - 0.4 ** Math.abs(difference);
      assert.equal(found?.probability?.toFixed(6), probability?.toFixed(6));
    }
    const sure = verdicts.filter((each) => each.direct?.decided === true).length;
    assert(sure > 10 && sure < PAIRS - 10);
    assert.equal(requests().length, 2 * PAIRS + (PAIRS - sure));
    // Each scripted answer counts as one token.
    assert.match(
      out,
      new RegExp(
        `${sure} of 60 pairs were answered directly\\. The direct answers took 120 tokens, those with reasoning ${PAIRS - sure} for the ` +
          `other ${PAIRS - sure}: about ${120 - sure} tokens were spent more than saved \\(estimated`,
      ),
    );
    assert.match(err, /60 requests, fewer if the 120 short ones for direct verdicts are sure enough/);
    const again = await run(...direct('--threshold', '0.9', '--out', 'sure.jsonl'));
    assert.equal(again.code, 2);
    assert.match(again.err, /contains the verdicts of another judging \(threshold was 0\.8, now 0\.9\)/);
  });

  it('continues after kill -9 with the direct verdicts that it has', async () => {
    const whole = await run(...direct('--threshold', '0.8', '--out', 'whole.jsonl', '--json'));
    assert.equal(whole.code, 0, whole.err);
    const { direct: figures } = JSON.parse(whole.out) as PairsJudgingFigures;
    assert.deepEqual([figures?.accuracy, figures?.tokens], [1, 120]);
    endpoint.requests.length = 0;
    const options = direct('--threshold', '0.8', '--out', 'killed.jsonl', '--concurrency', '2');
    const held = new HeldAnswers(endpoint, directOrReasoned);
    // First, the direct verdicts of two pairs are there, and the judge reasons about both.
    for (const answers of [4, 40]) {
      held.answerUntil(answers);
      const command = start(...options);
      await held.stored(join(folder, 'killed.jsonl.journal'), 2, command.child);
      command.child.kill('SIGKILL');
      await command.ended;
      assert(!existsSync(join(folder, 'killed.jsonl')));
    }
    endpoint.script(directOrReasoned);
    const last = await run(...options);
    assert.equal(last.code, 0, last.err);
    const files = ['killed.jsonl', 'whole.jsonl'].map((name) => readFile(join(folder, name), 'utf8'));
    const [killed, intact] = await Promise.all(files);
    assert.equal(killed, intact);
    assert.equal(repeatedRequests(endpoint.requests), 2 * 2);
  });

  it('says what is wrong with options, prompt or endpoint before it judges', async () => {
    const text = async (...more: string[]) => {
      const { code, err } = await run(...more);
      return `${code} ${err}`;
    };
    assert.match(
      await text('--threshold', '0.9'),
      /^2 .*--threshold only applies to direct verdicts: add --direct/s,
    );
    assert.match(await text('--direct-prompt', 'choose'), /^2 .*--direct-prompt only applies/s);
    assert.match(
      await text('--direct', '--threshold', '0.3'),
      /^2 .*--threshold is 0\.3, but must be a probability/s,
    );
    assert.match(
      await text('--direct', '--direct-prompt', 'none'),
      /^2 .*--direct-prompt none can't be used: no such file/s,
    );
    endpoint.script(() => ({ kind: 'answer', texts: ['[[A]]'] }));
    assert.match(
      await text(...direct('--out', 'without.jsonl')),
      new RegExp(`^1 .*${endpoint.baseUrl} gives no log-probabilities .* Judge without direct verdicts`, 's'),
    );
  });
});
