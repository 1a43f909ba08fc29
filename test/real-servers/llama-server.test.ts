import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findLlamaServer } from '../../tools/setup/real-servers.ts';
import { runBin } from '../support/run-cli.ts';
import { sampleJudge } from '../support/sample-judge.ts';

const VOTES = 3;

/** `npm run test:llama-server` builds the server in the cache folder first. */
describe("llama.cpp's own server", function () {
  this.timeout(3_600_000);
  let found: { server: string; model: string };
  let folder: string;

  before(async function () {
    const installed = process.env['TEST_LLAMA_SERVER'] === '1' ? await findLlamaServer() : undefined;
    if (installed === undefined) this.skip();
    found = installed;
    folder = await mkdtemp(join(tmpdir(), 'llama-'));
  });
  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  for (const key of ['', 'sk-of-the-test'])
    it(`judges a file with SmolLM2, ${key === '' ? 'without a key' : 'with its key in the command'}`, async () => {
      const pairs = join(folder, 'pairs.jsonl');
      const out = join(folder, key === '' ? 'verdicts.jsonl' : 'verdicts-with-key.jsonl');
      const rows = [
        ['Name a colour.', 'Blue.', 'Seven.'],
        ['What is 2 + 2?', 'Five.', 'It is 4.'],
        ['Name the first month.', 'January', 'It is June'],
      ].map(([instruction, responseA, responseB]) => JSON.stringify({ instruction, responseA, responseB }));
      await writeFile(pairs, rows.join('\n'));
      await writeFile(join(folder, 'judge.json'), JSON.stringify(sampleJudge()));
      const serve = [
        ...[
          found.server,
          '-m',
          found.model,
          '--alias',
          '{servedModelName}',
          '--host',
          '{host}',
          '--port',
          '{port}',
        ],
        ...['--ctx-size', '8192', '--threads', '2', ...(key === '' ? [] : ['--api-key', key])],
      ];
      const {
        code,
        out: table,
        err,
      } = await runBin([
        ...['judge', pairs, '--model', 'embedded/model', '--judge', join(folder, 'judge.json')],
        ...['--serve', serve.join(' '), '--both-orders', '--votes', String(VOTES), '--out', out, '--json'],
        ...['--store', join(folder, 'store')],
      ]);
      assert.equal(code, 0, err);
      const figures = JSON.parse(table) as { pairs: number; failed: number };
      assert.deepEqual([figures.pairs, figures.failed], [3, 0], err);
      const verdicts = (await readFile(out, 'utf8')).trim().split('\n');
      assert.equal(verdicts.length, 3, verdicts.join('\n'));
      assert(key === '' || !`${err}${table}${verdicts.join('')}`.includes(key), err);
    });
});
