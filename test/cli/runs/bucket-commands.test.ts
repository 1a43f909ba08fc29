import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openObjectStore } from '../../../src/store/drivers.ts';
import { ensurePython } from '../../../src/cli/setup/python-environment.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { unpackStore } from '../../freeze/frozen-run.ts';
import { contentOf, NO_TEMPORAL, runCli } from '../../support/run-cli.ts';
import { useBucket } from '../../support/use-bucket.ts';

describe('the commands for stored runs, used on a bucket', function () {
  this.timeout(600_000);
  const bucket = useBucket();
  let scratch: string;
  let folder: string;
  let address: string;

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'bucket-commands-'));
    folder = join(scratch, 'store');
    await mkdir(folder);
    unpackStore(folder);
    address = bucket.newAddress();
    Object.assign(process.env, bucket.server.environment);
    const [from, to] = [openObjectStore(folder), openObjectStore(address)];
    for (const { key } of await from.list('')) await to.put(key, (await from.get(key))?.content ?? '');
  });
  after(() => rm(scratch, { recursive: true, force: true }));

  /** What a command prints, with the store's address replaced. */
  async function outputOf(args: readonly string[], store: string): Promise<string> {
    const { code, out, err } = await runCli([...args, '--store', store], NO_TEMPORAL);
    assert.equal(code, 0, err);
    return out.replaceAll(store, 'STORE').replaceAll('file://', '');
  }

  /** A bucket knows only when an object was stored there. */
  const withoutTimes = (text: string) => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');

  const commands: readonly (readonly string[])[] = [
    ['runs', '--json'],
    ['show', 'frozen', '--json'],
    ['show', 'frozen'],
    ['compare', 'run:frozen/0', 'run:frozen/1', '--json'],
    ['gc', '--json'],
  ];
  for (const args of commands)
    it(`${args.join(' ')} prints the same as on a folder`, async () => {
      const [onBucket, onFolder] = [await outputOf(args, address), await outputOf(args, folder)];
      assert.equal(withoutTimes(onBucket), withoutTimes(onFolder));
    });

  it('export writes the same files, with the judge', async () => {
    const files = async (store: string, name: string) => {
      const out = join(scratch, name);
      await outputOf(['export', 'run:frozen/1', '--out', out], store);
      return contentOf(out);
    };
    const [onBucket, onFolder] = [await files(address, 'from-bucket'), await files(folder, 'from-folder')];
    assert([...onFolder.keys()].some((path) => path.endsWith('model.safetensors')));
    assert.deepEqual(onBucket, onFolder);
  });

  it('judge serves the judge of the run from a copy, and gives the same verdicts', async () => {
    const pairs = join(scratch, 'pairs.jsonl');
    await writeFile(pairs, '{"prompt": "What comes after a?", "chosen": "b", "rejected": "c"}\n');
    const serve = `${await ensurePython()} ${packageRoot}/embedded/server.py --host {host} --port {port} --root {storeRoot}`;
    // The small model has no room for as many tokens as the run's judge may answer with.
    const recorded = await readFile(join(folder, 'frozen/iteration-1/training/judge.json'), 'utf8');
    const judgeFile = join(scratch, 'judge.json');
    await writeFile(judgeFile, recorded.replace(/"maxTokens": \d+/, '"maxTokens": 32'));
    const judge = (store: string) =>
      outputOf(
        [
          ...[
            'judge',
            pairs,
            '--model',
            'run:frozen/1',
            '--out',
            join(scratch, `${store.slice(0, 2)}.jsonl`),
          ],
          ...['--judge', judgeFile, '--serve', serve, '--served-model-name', '{checkpoint}', '--json'],
        ],
        store,
      );
    const figures = async (store: string) => {
      const { out: _, ...rest } = JSON.parse(await judge(store)) as Record<string, unknown>;
      return rest;
    };
    assert.deepEqual(await figures(address), await figures(folder));
  });

  it('gc --yes deletes the same objects', async () => {
    for (const store of [address, folder]) await outputOf(['gc', 'frozen', '--yes', '--keep', 'best'], store);
    const keys = async (store: string) => (await openObjectStore(store).list('frozen')).map(({ key }) => key);
    assert.deepEqual(await keys(address), await keys(folder));
    assert(!(await keys(address)).includes('frozen/iteration-1/training/model/model.safetensors'));
  });
});
