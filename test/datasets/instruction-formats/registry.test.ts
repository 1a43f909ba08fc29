import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import type { InstructionFormatName } from '../../../src/datasets/instruction-formats/registry.ts';
import { detectRowFormat } from '../../../src/datasets/rows/file-columns.ts';
import { instructionFormats } from '../../../src/datasets/instruction-formats/registry.ts';
import { checkInstructionFile, readInstructions } from '../../../src/datasets/read-instructions.ts';

const user = (content: string, more: object = {}) => ({ content, role: 'user', ...more });
const assistant = (content: string) => ({ content, role: 'assistant', language: 'English' });

/** Rows in each layout's columns, with more that no instruction may come from. */
const wildChat = [
  {
    conversation_hash: 'a',
    conversation: [user('Hi'), assistant('Hello'), user('Add 2 and 3'), assistant('5')],
    turn: 2,
    language: 'English',
    toxic: false,
    redacted: false,
  },
  {
    conversation_hash: 'b',
    conversation: [user('Böses'), assistant('Nein')],
    turn: 1,
    language: 'German',
    toxic: true,
  },
  {
    conversation_hash: 'c',
    conversation: [user(' '), assistant('?')],
    turn: 1,
    language: 'English',
    redacted: true,
  },
  { conversation_hash: 'd', conversation: [assistant('Hello')], turn: 1, language: 'English' },
  { conversation_hash: 'e', conversation: 'torn', turn: 1 },
  { conversation_hash: 'f', conversation: [user('x')], turn: null },
];
const ultraFeedback = [{ source: 'flan', instruction: 'Why?', completions: [{ response: 'So.' }] }];
const shareGpt = [
  {
    id: 'a_0',
    conversations: [
      { from: 'system', value: 'Be nice' },
      { from: 'human', value: 'First' },
      { from: 'gpt', value: 'Yes' },
      { from: 'human', value: 'Second' },
    ],
  },
  {
    id: 'a_7',
    conversations: [
      { from: 'gpt', value: 'and so on' },
      { from: 'human', value: 'Go on' },
    ],
  },
  { id: 'b_0', conversations: [] },
];
const message = { message_tree_id: 't', lang: 'pt-BR', deleted: false, review_result: true };
const oasst = [
  { ...message, message_id: '1', parent_id: null, role: 'prompter', text: 'Olá?' },
  { ...message, message_id: '2', parent_id: '1', role: 'assistant', text: 'Olá!' },
  { ...message, message_id: '3', parent_id: '2', role: 'prompter', text: 'E agora?' },
  { ...message, message_id: '4', parent_id: null, role: 'prompter', text: 'Gone', deleted: true },
  { ...message, message_id: '5', parent_id: null, role: 'prompter', text: 'Bad', review_result: false },
];

const layoutFor = (name: InstructionFormatName | 'auto', columns: string[]) =>
  detectRowFormat('/a/file', columns, instructionFormats, {
    name,
    toDecide: 'name one of them in instructions.format',
  });

describe('the formats of instructions', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'layouts-'))));
  after(() => rm(folder, { recursive: true }));
  const at = (name: string) => join(folder, name);

  async function readsAs(
    name: string,
    content: string | Uint8Array,
    layout: InstructionFormatName | 'auto' = 'auto',
  ) {
    await writeFile(at(name), content);
    return (await Array.fromAsync(readInstructions(at(name), layout))).map(({ result: read }) => read);
  }
  const asLines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

  it('WildChat: the last user turn, with its language, flags and number of turns', async () => {
    assert.deepEqual(await readsAs('wildchat.jsonl', asLines(wildChat)), [
      { instruction: 'Add 2 and 3', turns: 2, language: 'English', toxic: false, redacted: false },
      { instruction: 'Böses', turns: 1, language: 'German', toxic: true, redacted: false },
      { kind: 'dropped', reason: 'empty instruction' },
      { kind: 'failed', reason: 'the message at the position of "turn" is not a user message' },
      {
        kind: 'failed',
        reason: '"conversation" is not a list of messages: it is a text that is not JSON',
      },
      { kind: 'failed', reason: '"turn" is not a positive whole number' },
    ]);
  });

  it('Alpaca: the instruction, with what it is about', async () => {
    const rows = [
      { instruction: 'Translate this.', input: 'Bonjour', output: 'Hello' },
      { instruction: 'Why?', input: '', output: 'So.' },
      { instruction: 'Why?', input: null },
      { instruction: 'Why?', input: 7 },
    ];
    assert.deepEqual(await readsAs('alpaca.jsonl', asLines(rows)), [
      { instruction: 'Translate this.\n\nBonjour', turns: 1 },
      { instruction: 'Why?', turns: 1 },
      { instruction: 'Why?', turns: 1 },
      { kind: 'failed', reason: '"input" is number, not text' },
    ]);
  });

  it('WildChat in parquet (zstd): nested messages, 64-bit turns, several row groups', async () => {
    const file = join(import.meta.dirname, '../../fixtures/wildchat.parquet');
    const read = await Array.fromAsync(readInstructions(file, 'auto'));
    const flags = { toxic: false, redacted: false };
    assert.deepEqual(
      read.map((one) => one.result),
      [
        {
          instruction: 'Which is heavier, a litre of oil or of water?',
          turns: 2,
          language: 'English',
          ...flags,
        },
        { instruction: 'Schreibe ein Gedicht über den Herbst.', turns: 1, language: 'German', ...flags },
        { kind: 'dropped', reason: 'empty instruction' },
        { instruction: 'Something rude', turns: 1, language: 'English', ...flags, toxic: true },
        { instruction: '给我讲个笑话', turns: 1, language: 'Chinese', ...flags, redacted: true },
      ],
    );
    assert.deepEqual(
      read.map(({ row }) => row),
      [0, 1, 2, 3, 4],
    );
  });

  it('UltraFeedback in parquet (snappy): only the format’s columns are read', async () => {
    parquetWriteFile({
      filename: at('ultrafeedback.parquet'),
      codec: 'SNAPPY',
      columnData: [
        { name: 'source', data: ['flan', 'flan'], type: 'STRING' },
        { name: 'instruction', data: ['Why?', 'How?'], type: 'STRING' },
        { name: 'completions', data: [[{ response: 'So.' }], []], type: 'JSON' },
      ],
    });
    const read = await Array.fromAsync(readInstructions(at('ultrafeedback.parquet'), 'auto'));
    assert.deepEqual(read, [
      { row: 0, result: { instruction: 'Why?', turns: 1 } },
      { row: 1, result: { instruction: 'How?', turns: 1 } },
    ]);
  });

  it('UltraFeedback: the instruction, none of the completions', async () => {
    assert.deepEqual(await readsAs('ultrafeedback.jsonl.gz', gzipSync(asLines(ultraFeedback))), [
      { instruction: 'Why?', turns: 1 },
    ]);
  });

  it('ShareGPT: the first human turn, unless the conversation begins with the model', async () => {
    assert.deepEqual(await readsAs('sharegpt.json', JSON.stringify(shareGpt)), [
      { instruction: 'First', turns: 2 },
      { kind: 'dropped', reason: 'conversation begins with the model' },
      { kind: 'dropped', reason: 'empty conversation' },
    ]);
  });

  it('OASST: the first prompts of trees, except deleted and rejected ones', async () => {
    const dropped = (reason: string) => ({ kind: 'dropped', reason });
    assert.deepEqual(await readsAs('oasst.jsonl', asLines(oasst)), [
      { instruction: 'Olá?', turns: 1, language: 'pt-BR' },
      dropped('not the first message of a tree'),
      dropped('not the first message of a tree'),
      dropped('deleted'),
      dropped('rejected in review'),
    ]);
  });

  it('are recognized by their columns; of two that fit, the more specific one', () => {
    assert.equal(layoutFor('auto', ['instruction', 'answer']).name, 'plain');
    assert.equal(layoutFor('auto', ['instruction', 'source', 'completions']).name, 'ultrafeedback');
    assert.equal(layoutFor('plain', ['instruction', 'source']).name, 'plain');
  });

  it('are named if the columns fit two unrelated ones', () => {
    assert.throws(() => layoutFor('auto', ['conversations', 'instruction']), {
      message:
        /fits the formats sharegpt \("conversations"\) and plain \("instruction"\).*instructions\.format/,
    });
    assert.equal(layoutFor('sharegpt', ['conversations', 'instruction']).name, 'sharegpt');
  });

  it('messages, conversation and prompt: the conversation up to its last user turn, with its system prompt', async () => {
    const turns = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello' },
      { role: 'user', content: 'Why?' },
    ];
    const expected = {
      instruction: 'System: Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Why?',
      conversation: turns,
      turns: 2,
    };
    const answered = [...turns, { role: 'assistant', content: 'the key' }];
    assert.deepEqual(await readsAs('messages.jsonl', asLines([{ messages: answered }])), [expected]);
    const flags = { language: 'English', toxic: false, redacted: false };
    assert.deepEqual(
      await readsAs(
        'lmsys.jsonl',
        asLines([{ conversation: answered, turn: 2, language: 'English' }]),
        'conversation',
      ),
      [{ ...expected, ...flags }],
    );
    assert.deepEqual(await readsAs('prompt.jsonl', asLines([{ prompt: turns }, { prompt: 'Why?' }])), [
      expected,
      { instruction: 'Why?', turns: 1 },
    ]);
    assert.deepEqual(
      await readsAs(
        'odd.jsonl',
        asLines([
          { messages: [{ role: 'user', content: 'Why?' }] },
          { messages: [{ role: 'assistant', content: 'Hello' }] },
          { messages: [{ role: 'user', content: ' ' }] },
          { messages: [{ role: 'tool', content: '{}' }] },
          { messages: 'torn' },
        ]),
      ),
      [
        { instruction: 'Why?', turns: 1 },
        { kind: 'dropped', reason: 'no user message' },
        { kind: 'dropped', reason: 'empty instruction' },
        { kind: 'dropped', reason: 'no user message' },
        { kind: 'failed', reason: '"messages" is not a list of messages: it is a text that is not JSON' },
      ],
    );
  });

  it('are all named with the absolute path if the columns fit none', async () => {
    await writeFile(at('other.jsonl'), '{"question":"?"}\n');
    await assert.rejects(checkInstructionFile(at('other.jsonl'), 'auto'), {
      name: 'UnreadableFile',
      message:
        /\/other\.jsonl: has the columns "question", which fit no format; the formats are .*wildchat "conversation", "turn"/,
    });
    await assert.rejects(checkInstructionFile(at('other.jsonl'), 'oasst'), {
      message: /has no column "message_id", "parent_id", "role", "text", which the format oasst requires/,
    });
  });

  it('are not searched in a damaged file', async () => {
    await writeFile(at('broken.parquet'), 'no parquet');
    await assert.rejects(checkInstructionFile(at('broken.parquet'), 'auto'), {
      message: /can't be read to the end/,
    });
    await assert.rejects(checkInstructionFile(at('pool.csv'), 'auto'), { message: /unknown extension/ });
  });
});
