import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import type { PreferenceFormatName } from '../../src/datasets/preference-formats/registry.ts';
import {
  checkPreferenceFile,
  readPreferences,
  type ReadPreference,
} from '../../src/datasets/read-preferences.ts';

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const system = (content: string) => ({ role: 'system', content });
const talk = [system('Be brief.'), user('Hi.'), assistant('Hello!'), user('Why?')];
const shown = 'System: Be brief.\n\nUser: Hi.\n\nAssistant: Hello!\n\nUser: Why?';

describe('preferences in a file', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'preferences-'))));
  after(() => rm(folder, { recursive: true }));

  async function read(
    rows: readonly unknown[] | string,
    layout: PreferenceFormatName | 'auto' = 'auto',
  ): Promise<ReadPreference[]> {
    const path = join(folder, 'rows.jsonl');
    await writeFile(
      path,
      typeof rows === 'string' ? rows : rows.map((row) => JSON.stringify(row)).join('\n'),
    );
    return Array.fromAsync(readPreferences([{ name: 'mine', path }], layout, 'name one of them'));
  }
  /** What was read, or why it was not. */
  const outcomes = (all: readonly ReadPreference[]) =>
    all.map((one) => {
      if (one.kind !== 'preference') return `${one.kind}: ${one.reason}`;
      const { instruction, chosen, rejected } = one.preference;
      return [instruction, chosen, rejected];
    });

  it('is read from prompt, chosen and rejected as texts, with an optional subset', async () => {
    const [only] = await read([{ id: 7, prompt: 'Why?', chosen: 'So.', rejected: 'No.', subset: 'short' }]);
    assert(only?.kind === 'preference');
    const { id, ...preference } = only.preference;
    assert.match(id, /^[0-9a-f]{16}$/);
    assert.deepEqual(preference, { instruction: 'Why?', chosen: 'So.', rejected: 'No.', subset: 'short' });
    assert.deepEqual(only.origin, { file: 'mine', row: 0 });
  });

  it('is read from messages: TRL with an explicit prompt, a system prompt and several turns', async () => {
    const [only] = await read([{ prompt: talk, chosen: [assistant('So.')], rejected: [assistant('No.')] }]);
    assert(only?.kind === 'preference');
    assert.equal(only.preference.instruction, shown);
    assert.deepEqual(only.preference.conversation, talk);
    assert.deepEqual([only.preference.chosen, only.preference.rejected], ['So.', 'No.']);
  });

  it('is read from chosen and rejected alone: TRL with an implicit prompt, and hh-rlhf', async () => {
    const text = '\n\nHuman: Hi.\n\nAssistant: Hello!\n\nHuman: Why?\n\nAssistant: ';
    const found = await read([
      { chosen: [...talk, assistant('So.')], rejected: [...talk, assistant('No.')] },
      { chosen: `${text}So.`, rejected: `${text}No.` },
    ]);
    assert.deepEqual(outcomes(found), [
      [shown, 'So.', 'No.'],
      ['User: Hi.\n\nAssistant: Hello!\n\nUser: Why?', 'So.', 'No.'],
    ]);
  });

  it('takes the conversation of responses that repeat it, as UltraFeedback binarized does', async () => {
    const found = await read([
      {
        prompt: 'Hi.',
        chosen: [user('Hi.'), assistant('Hello!')],
        rejected: [user('Hi.'), assistant('What?')],
      },
      { prompt: [user('Why?')], chosen: [user('Why?'), assistant('So.')], rejected: 'No.' },
    ]);
    assert.deepEqual(outcomes(found), [
      ['Hi.', 'Hello!', 'What?'],
      ['Why?', 'So.', 'No.'],
    ]);
  });

  it('is read from the pairs of a run, and from two responses with the better side', async () => {
    const pair = { id: 'x', instruction: 'Why?', better: 'So.', worse: 'No.', similarInstruction: 'When?' };
    assert.deepEqual(outcomes(await read([pair])), [['Why?', 'So.', 'No.']]);
    const sides = { instruction: 'Why?', responseA: 'No.', responseB: 'So.' };
    assert.deepEqual(
      outcomes(await read(['B', 'A', 'tie', 'C', null].map((betterSide) => ({ ...sides, betterSide })))),
      [
        ['Why?', 'So.', 'No.'],
        ['Why?', 'No.', 'So.'],
        'dropped: tie',
        'failed: "betterSide" is neither "A", "B" nor "tie"',
        'dropped: no label',
      ],
    );
  });

  it('is read from two consecutive rows of HelpSteer2: the more helpful response is better', async () => {
    const row = (prompt: string, response: string, helpfulness: unknown) => ({
      prompt,
      response,
      helpfulness,
    });
    const flattened = 'Hi.\n<extra_id_1>Assistant\nHello!\n<extra_id_1>User\nWhy?';
    const found = await read([
      ...[row('one', 'bad', 1), row('one', 'good', 4)],
      ...[row(flattened, 'x', 2), row(flattened, 'y', 0)],
      ...[row('equal', 'a', 2), row('equal', 'b', 2)],
      row('alone', 'a', 2),
      ...[row('no number', 'a', 2), row('no number', 'b', '2')],
      row('last', 'a', 2),
    ]);
    assert.deepEqual(outcomes(found), [
      ['one', 'good', 'bad'],
      ['User: Hi.\n\nAssistant: Hello!\n\nUser: Why?', 'x', 'y'],
      'dropped: equally helpful',
      'failed: no second response to its prompt follows',
      'failed: "helpfulness" is not a number',
      'failed: no second response to its prompt follows',
    ]);
    assert.deepEqual(
      found.map(({ origin }) => origin.row),
      [0, 2, 4, 6, 7, 9],
    );
  });

  it('names the field and the problem of each unusable row', async () => {
    const good = { prompt: 'p', chosen: 'a', rejected: 'b' };
    const lines = [
      { ...good, rejected: undefined },
      { ...good, chosen: null },
      { ...good, prompt: 7 },
      { ...good, prompt: [] },
      { ...good, prompt: [{ role: 'user' }] },
      { ...good, prompt: [{ role: 'tool', content: '{}' }] },
      { ...good, prompt: talk.slice(0, 3) },
      { ...good, chosen: [user('a')] },
      { ...good, prompt: [user('q')], chosen: [user('p'), assistant('a')] },
      { ...good, chosen: [user('p'), assistant('a')], rejected: [user('q'), assistant('b')] },
      'text',
    ].map((row) => JSON.stringify(row));
    assert.deepEqual(outcomes(await read([...lines, '{"prompt": "torn'].join('\n'))), [
      'failed: no field "rejected"',
      'failed: "chosen" is null',
      'failed: "prompt" is neither text nor messages',
      'failed: "prompt" is not a list of messages: it is empty',
      'failed: "prompt" has a message without a content: its keys are "role"; a message needs "role" and "content", or "from" and "value"',
      'failed: "prompt" does not end with a user message',
      'failed: "prompt" does not end with a user message',
      'failed: "chosen" does not end with an assistant message',
      'failed: "chosen" does not continue "prompt"',
      'failed: "chosen" and "rejected" differ before their last message',
      'failed: not an object',
      'failed: not JSON',
    ]);
    const other = [user('p'), assistant('a')];
    const implicit = [
      { chosen: 'a', rejected: 'b' },
      { chosen: other, rejected: [user('q'), assistant('b')] },
      { chosen: other, rejected: 'b' },
    ];
    assert.deepEqual(outcomes(await read(implicit)), [
      'failed: no field "prompt", and "chosen" is not a complete conversation',
      'failed: "chosen" and "rejected" differ before their last message',
      'failed: no field "prompt", and "rejected" is not a complete conversation',
    ]);
  });

  it('has an id that is independent of file, row and better side, but not of the conversation', async () => {
    const ids = async (row: object) => {
      const [only] = await read([row]);
      assert(only?.kind === 'preference');
      return only.preference.id;
    };
    const id = await ids({ prompt: 'Why?', chosen: 'So.', rejected: 'No.' });
    assert.equal(await ids({ instruction: 'Why?', better: 'No.', worse: 'So.' }), id);
    assert.equal(await ids({ prompt: [user('Why?')], chosen: 'So.', rejected: [assistant('No.')] }), id);
    const turns = await ids({ prompt: talk, chosen: 'So.', rejected: 'No.' });
    assert.notEqual(turns, id);
    assert.notEqual(await ids({ prompt: shown, chosen: 'So.', rejected: 'No.' }), turns);
  });

  it('is read from parquet and gzip as well, file after file, each by its own format', async () => {
    const parquet = join(folder, 'mine.parquet');
    const gzipped = join(folder, 'mine.jsonl.gz');
    parquetWriteFile({
      filename: parquet,
      columnData: [
        { name: 'chosen', data: [[...talk, assistant('So.')]], type: 'JSON' },
        { name: 'score', data: [1] },
        { name: 'rejected', data: [[...talk, assistant('No.')]], type: 'JSON' },
      ],
    });
    await writeFile(gzipped, gzipSync('{"prompt":"Why?","chosen":"So.","rejected":"No."}\n'));
    const files = [parquet, gzipped].map((path) => ({ name: path, path }));
    const found = await Array.fromAsync(readPreferences(files, 'auto', ''));
    assert.deepEqual(outcomes(found), [
      [shown, 'So.', 'No.'],
      ['Why?', 'So.', 'No.'],
    ]);
  });

  it('is rejected with its columns if they fit no format, several, or not the named one', async () => {
    const path = join(folder, 'other.jsonl');
    const check = (layout: PreferenceFormatName | 'auto') =>
      checkPreferenceFile(path, layout, 'name one of them in pairs.format');
    await writeFile(path, '{"question":"?","answer":"!"}\n');
    await assert.rejects(check('auto'), {
      name: 'UnreadableFile',
      message:
        /other\.jsonl: has the columns "question", "answer", which fit no format; the formats are preference/,
    });
    await writeFile(path, '{"prompt":"?","chosen":"!"}\n');
    await assert.rejects(check('preference'), {
      message:
        /has no column "rejected", which the format preference requires; its columns are "prompt", "chosen"/,
    });
    const both = { prompt: '?', chosen: '!', rejected: '.', instruction: '?', better: '!', worse: '.' };
    await writeFile(path, JSON.stringify(both));
    await assert.rejects(check('auto'), {
      message: /fits the formats preference .* and better-worse .*: name one of them in pairs\.format/,
    });
    await check('preference');
  });
});
