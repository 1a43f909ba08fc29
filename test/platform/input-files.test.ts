import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveInputPath, resolveInputPaths } from '../../src/platform/input-files.ts';
import { readPrompt } from '../../src/runs/read-prompt.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

const shipped = { roots: [packageRoot] };
const pairwise = ['instruction', 'responseA', 'responseB'];

describe('the files that a configuration names', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'input-files-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("are looked for in the worker's folder, then in the package", async () => {
    const roots = ['worker', 'package'].map((name) => join(folder, name));
    for (const root of roots) await mkdir(root);
    await writeFile(join(folder, 'package', 'pool.jsonl'), '');
    assert.equal(resolveInputPath({ roots }, 'pool.jsonl'), join(folder, 'package', 'pool.jsonl'));
    await writeFile(join(folder, 'worker', 'pool.jsonl'), '');
    assert.equal(resolveInputPath({ roots }, 'pool.jsonl'), join(folder, 'worker', 'pool.jsonl'));
    const absolute = join(folder, 'package', 'pool.jsonl');
    assert.equal(resolveInputPath({ roots }, absolute), absolute);
  });

  it('are named with every absolute path that was tried where there is none', () => {
    const roots = [join(folder, 'worker'), join(folder, 'package')];
    assert.throws(() => resolveInputPath({ roots }, 'pool.jsonl'), {
      message: `no such file or folder: ${join(folder, 'worker/pool.jsonl')}, nor ${join(folder, 'package/pool.jsonl')}`,
    });
  });

  it('are all that match a pattern below the first root with a match, in order', async () => {
    const roots = ['worker', 'package'].map((name) => join(folder, name));
    for (const root of roots) await mkdir(join(root, 'data', 'more.jsonl'), { recursive: true });
    const inPackage = (name: string) => join(folder, 'package', 'data', name);
    for (const name of ['b.jsonl', 'a.jsonl', 'c.txt']) await writeFile(inPackage(name), '');
    const both = [inPackage('a.jsonl'), inPackage('b.jsonl')];
    assert.deepEqual(await resolveInputPaths({ roots }, 'data/*.jsonl'), both);
    assert.deepEqual(await resolveInputPaths({ roots }, inPackage('*.jsonl')), both);
    assert.deepEqual(await resolveInputPaths({ roots }, '**/{a,z}.jsonl'), [inPackage('a.jsonl')]);
    await writeFile(join(folder, 'worker', 'data', 'own.jsonl'), '');
    assert.deepEqual(await resolveInputPaths({ roots }, 'data/*.jsonl'), [
      join(folder, 'worker/data/own.jsonl'),
    ]);
    await writeFile(inPackage('[x].jsonl'), '');
    assert.deepEqual(await resolveInputPaths({ roots }, 'data/[x].jsonl'), [inPackage('[x].jsonl')]);
  });

  it('may lie in folders with characters of patterns, spaces, quotes, percent signs and newlines', async () => {
    for (const name of [
      'my [data]',
      'a{b,c}',
      'what?',
      '50% #1',
      'it\'s "so"',
      'two\nlines',
      'é 数据',
      '**',
    ]) {
      const root = join(folder, name);
      await mkdir(join(root, 'in [it]'), { recursive: true });
      const file = join(root, 'in [it]', 'a 1.jsonl');
      await writeFile(file, '');
      const found = [file];
      assert.deepEqual(await resolveInputPaths({ roots: [root] }, 'in [it]/*.jsonl'), found, name);
      assert.deepEqual(await resolveInputPaths({ roots: [root] }, '**/*.jsonl'), found, name);
      assert.deepEqual(await resolveInputPaths({ roots: [folder] }, `${name}/in [it]/*.jsonl`), found, name);
      assert.deepEqual(
        await resolveInputPaths({ roots: [folder] }, join(root, 'in [it]', 'a*')),
        found,
        name,
      );
      assert.equal(resolveInputPath({ roots: [root] }, 'in [it]/a 1.jsonl'), file);
    }
  });

  it('are named with every place that was looked at where nothing matches', async () => {
    const roots = [join(folder, 'worker'), join(folder, 'package')];
    for (const root of roots) await mkdir(root);
    await assert.rejects(resolveInputPaths({ roots }, 'data/*.parquet'), {
      message: `no file matches ${join(folder, 'worker/data/*.parquet')}, nor ${join(folder, 'package/data/*.parquet')}`,
    });
  });

  it('give a prompt without the one newline that ends a text file', async () => {
    await writeFile(join(folder, 'user.txt'), '{instruction}\n');
    assert.deepEqual(await readPrompt(shipped, folder, ['instruction']), { user: '{instruction}' });
    await writeFile(join(folder, 'user.txt'), '{instruction}\n\n');
    await writeFile(join(folder, 'system.txt'), 'No newline');
    assert.deepEqual(await readPrompt(shipped, folder, ['instruction']), {
      user: '{instruction}\n',
      system: 'No newline',
    });
  });

  it('give a prompt that another system has written, and name an encoding that is not read', async () => {
    await writeFile(join(folder, 'user.txt'), '\uFEFFé\r\n{instruction}\r\n');
    await writeFile(join(folder, 'system.txt'), Buffer.from('\uFEFFBe brief.\r\n', 'utf16le'));
    assert.deepEqual(await readPrompt(shipped, folder, ['instruction']), {
      user: 'é\n{instruction}',
      system: 'Be brief.',
    });
    await writeFile(join(folder, 'system.txt'), Buffer.from('caf\xe9', 'latin1'));
    await assert.rejects(readPrompt(shipped, folder, []), /system\.txt: is not UTF-8.*iconv/);
  });

  it('give a prompt with the examples that its folder shows, and say what is wrong with them', async () => {
    await writeFile(join(folder, 'user.txt'), '{instruction}\n');
    const examples = [{ user: 'Which?', assistant: 'This. [[A]]' }];
    await writeFile(join(folder, 'examples.json'), JSON.stringify(examples));
    assert.deepEqual((await readPrompt(shipped, folder, ['instruction'])).examples, examples);
    await writeFile(join(folder, 'examples.json'), '[{"user": "Which?"}]');
    await assert.rejects(
      readPrompt(shipped, folder, ['instruction']),
      /examples\.json: expected .*assistant/s,
    );
  });

  it('give no prompt where a placeholder is missing, and say which', async () => {
    await writeFile(join(folder, 'user.txt'), 'Judge {instruction}');
    await assert.rejects(readPrompt(shipped, folder, pairwise), {
      message: `${join(folder, 'user.txt')} lacks {responseA} and {responseB}`,
    });
  });
});

describe('the prompts of the package', () => {
  it('keep, as the released checkpoint was trained, backslashes before quotes and a newline at the end', async () => {
    const { system = '', user } = await readPrompt(shipped, 'prompts/pairwise-released', pairwise);
    assert(system.endsWith('\\"[[A]]\\" if assistant A is better, \\"[[B]]\\" if assistant B is better.'));
    assert(user.endsWith("[The End of Assistant B's Answer]\n"));
    assert(!user.endsWith('\n\n'));
  });

  it('differ in nothing else between the released and the plain variant', async () => {
    const released = await readPrompt(shipped, 'prompts/pairwise-released', pairwise);
    const plain = await readPrompt(shipped, 'prompts/pairwise', pairwise);
    assert.equal(plain.system, released.system?.replaceAll('\\"', '"'));
    assert(!plain.system?.includes('\\'));
    assert.equal(`${plain.user}\n`, released.user);
    assert(!plain.system?.includes('[[C]]'));
  });
});
