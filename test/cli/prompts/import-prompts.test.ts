import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BENCHMARK_FORMATS } from '../../../src/benchmarks/registry.ts';
import { promptText, readBenchmarkPrompt } from '../../../src/runs/read-benchmark-prompt.ts';
import { benchmarkPromptSources, readBenchmarkPrompts } from '../../../src/runs/benchmark-prompts.ts';
import { parseConfiguration } from '../../../src/config/parse-configuration.ts';
import { OFFICIAL_CLONES, writeFiles } from '../../support/official-clones.ts';
import { runCli } from '../../support/run-cli.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

describe('prompts import', () => {
  let scratch: string;
  let clones: string;
  let out: string;

  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'prompts-'));
    [clones, out] = [join(scratch, 'clones'), join(scratch, 'out')];
    for (const [name, files] of Object.entries(OFFICIAL_CLONES)) await writeFiles(join(clones, name), files);
    await writeFiles(join(clones, 'reward-bench'), {
      '.git/HEAD': 'ref: refs/heads/main\n',
      '.git/packed-refs': `# pack-refs\n${COMMIT} refs/heads/main\n`,
    });
  });

  afterEach(() => rm(scratch, { recursive: true }));

  const importAll = (...args: string[]) => runCli(['prompts', 'import', clones, '--out', out, ...args]);
  const imported = async (folder: string) =>
    promptText(await readBenchmarkPrompt({ roots: [out] }, folder, []));

  it('fills a folder for each prompt with the text of the clone, whatever the clone is called', async () => {
    const { code, out: text, err } = await importAll();
    assert.equal(code, 0, err);
    assert.match(text, /reward-bench-2\/ranking {2}allenai\/reward-bench at 0123456789ab/);
    assert.deepEqual(await imported('reward-bench'), {
      system: 'Say who is best: one of "[[A]]".',
      user: 'Q: {instruction}\na: {responseA}\nb: {responseB}\n{1}',
    });
    assert.equal(
      (await imported('reward-bench-2/ranking')).user,
      'Q: {instruction}\na: {responseA}\nb: {responseB}\nc: {responseC}\nd: {responseD}\n{1}',
    );
    assert.deepEqual(await imported('reward-bench-2/rating'), {
      user: '\nRate {response} for {instruction}.\nOnly a number',
    });
    assert.deepEqual(await imported('reward-bench-2/ties-rating'), {
      user: 'Rate {response} for {instruction} by its truth.',
    });
    assert.deepEqual(await imported('judge-bench'), {
      system: 'Answer it yourself first.',
      user: '{instruction}\n\n{responseA} | {responseB}',
      followUp: 'now end with a label',
    });
    assert.deepEqual(await imported('llmbar'), {
      system: 'Help.',
      user: 'Compare for {instruction}:\n{responseA}\n{responseB}',
    });
    assert.deepEqual(await imported('eval-bias-bench'), {
      user: 'Answer “Output (a)” or “Output (b)”.\n{instruction}\n{responseA}\n{responseB}',
    });
    assert.deepEqual(await imported('reasoning-judge-bench'), {
      system: 'Think, then judge.',
      user: '{instruction} / {responseA} / {responseB}',
    });
    // The last newline is a part of the prompt.
    assert.deepEqual(await imported('self-taught-evaluator'), {
      system: String.raw`End with \"[[A]]\".`,
      user: '{instruction} {responseA} {responseB}\n',
    });
    assert.deepEqual(await imported('mt-bench/multi-turn-reference'), {
      system: 'System of pair-math-v1-multi-turn.',
      user: '{questionOne} {answerAOne} {answerBOne} {questionTwo} {answerATwo} {answerBTwo} {referenceOne} {referenceTwo}',
    });
  });

  it('fills all folders that the benchmarks with these names need, so that reports name repository, commit and file', async () => {
    await importAll();
    const formats = BENCHMARK_FORMATS.filter((format) => existsSync(join(out, format)));
    assert.equal(formats.length, 8);
    const benchmarks = [...formats, 'reward-bench-2-ratings' as const].map((format) => ({
      name: format,
      format,
      path: 'x',
      purpose: 'test',
      prompt: format === 'reward-bench-2-ratings' ? 'reward-bench-2' : format,
    }));
    const { usable } = parseConfiguration({ evaluation: { benchmarks } });
    assert(usable.evaluation);
    const prompts = await readBenchmarkPrompts({ files: { roots: [out] } }, usable.evaluation);
    const file = 'rewardbench/generative.py';
    const sha256 = createHash('sha256')
      .update(await readFile(join(clones, 'reward-bench', file)))
      .digest('hex');
    assert.match(
      benchmarkPromptSources(prompts, 'reward-bench')['pairwise'] ?? '',
      new RegExp(
        `^imported from allenai/reward-bench at 0123456789ab \\(${file}, SHA-256 ${sha256.slice(0, 12)}; text \\w{8}\\)$`,
      ),
    );
    // A folder without git has no commit.
    assert.match(
      benchmarkPromptSources(prompts, 'llmbar')['pairwise'] ?? '',
      /^imported from princeton-nlp\/LLMBar \(/,
    );
    await appendFile(join(out, 'llmbar', 'user.txt'), 'Be kind.\n');
    const changed = await readBenchmarkPrompts({ files: { roots: [out] } }, usable.evaluation);
    assert.match(benchmarkPromptSources(changed, 'llmbar')['pairwise'] ?? '', /, and changed since$/);
  });

  it('takes one clone too, and says which repositories it did not find', async () => {
    const { code, out: text } = await runCli([
      ...['prompts', 'import', join(clones, 'LLMBar'), '--out', out, '--json'],
    ]);
    const { written, missing } = JSON.parse(text) as { written: object[]; missing: string[] };
    assert.deepEqual([code, written.length, missing.length], [0, 1, 6]);
    assert(missing.includes('lm-sys/FastChat'));
  });

  it('imports again over an unchanged import, and refuses to replace a folder that was changed', async () => {
    await importAll();
    await rm(join(clones, 'judges/utils/templates/arena_hard_judge_system.jinja2'));
    const { code } = await importAll();
    assert.equal(code, 0);
    await writeFile(join(out, 'llmbar', 'user.txt'), 'mine {instruction} {responseA} {responseB}\n');
    const refused = await importAll();
    assert.equal(refused.code, 2);
    assert.match(refused.err, /out\/llmbar exists, and is not an unchanged import; delete it/);
    assert.match(await readFile(join(out, 'llmbar', 'user.txt'), 'utf8'), /^mine/);
  });

  it('writes nothing if a repository has another form, and names the file', async () => {
    const file = join(clones, 'offsetbias', 'prompt', 'offsetbias.py');
    await writeFile(file, 'user = "no placeholders"\n');
    const { code, err } = await importAll();
    assert.equal(code, 1);
    assert.match(err, /prompt\/offsetbias\.py: has the values none; expected instruction, responseA, responseB/);
    assert(!existsSync(out));
    await writeFile(file, 'user = "{input} {output_1} {output_2} {hint}"\n');
    assert.match((await importAll()).err, /has the unknown placeholder \{hint\}/);
  });

  it('names a file that can not be read, and a folder that can not be written', async () => {
    await writeFile(out, 'a file');
    const unwritable = await importAll();
    assert.deepEqual([unwritable.code, /out\/reward-bench can't be written: ENOTDIR/.test(unwritable.err)], [1, true]);
    await rm(out);
    const file = join(clones, 'offsetbias', 'prompt', 'offsetbias.py');
    await rm(file);
    await mkdir(file);
    const unreadable = await importAll();
    assert.deepEqual([unreadable.code, /offsetbias\.py can't be read: EISDIR/.test(unreadable.err)], [2, true]);
    assert(!existsSync(out));
  });

  it('refuses a folder without an official repository, and one with two clones of the same', async () => {
    const empty = await runCli(['prompts', 'import', await mkdtemp(join(scratch, 'empty-')), '--out', out]);
    assert.deepEqual([empty.code, /contains none: allenai\/reward-bench, /.test(empty.err)], [2, true]);
    const absent = await runCli(['prompts', 'import', join(scratch, 'absent'), '--out', out]);
    assert.deepEqual([absent.code, /absent can't be read/.test(absent.err)], [2, true]);
    await writeFiles(join(clones, 'LLMBar-2'), OFFICIAL_CLONES['LLMBar'] ?? {});
    const twice = await importAll();
    assert.equal(twice.code, 2);
    assert.match(twice.err, /LLMBar and .*LLMBar-2 are clones of princeton-nlp\/LLMBar/);
    assert(!existsSync(out));
  });
});
