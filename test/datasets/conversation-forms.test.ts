import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import { readInstructions } from '../../src/datasets/read-instructions.ts';
import { readFilePairs } from '../../src/pair-judging/read-file-pairs.ts';

describe('conversations in the forms of data sets', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conversations-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function write(rows: readonly object[]): Promise<string> {
    const file = join(folder, 'rows.jsonl');
    await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return file;
  }
  /** The instruction of each row, or the reason that it has none. */
  async function instructions(...rows: object[]): Promise<string[]> {
    const read = await Array.fromAsync(readInstructions(await write(rows), 'auto'));
    return read.map(({ result }) =>
      'reason' in result ? `${result.kind}: ${result.reason}` : result.instruction,
    );
  }
  async function pairs(...rows: object[]) {
    const read = await Array.fromAsync(readFilePairs(await write(rows)));
    return read.map(({ pair, problem }) =>
      pair === undefined ? problem : [pair.instruction, ...[pair.a, pair.b].sort()],
    );
  }

  const talk = [
    { role: 'user', content: 'Name three rivers.' },
    { role: 'assistant', content: 'Rhine, Nile, Volga.' },
  ];
  const shareGpt = [
    { from: 'human', value: 'Name three rivers.' },
    { from: 'gpt', value: 'Rhine, Nile, Volga.' },
  ];
  const asked = 'Name three rivers.';

  it('have role and content, or from and value, in any column', async () => {
    for (const column of ['messages', 'conversations', 'conversation', 'prompt'])
      assert.deepEqual(
        await instructions(
          { [column]: talk },
          { [column]: shareGpt },
          { [column]: [{ role: 'human', value: asked, weight: null }] },
          {
            [column]: [
              { from: 'User', content: asked },
              { from: 'model', content: 'Nile.' },
            ],
          },
          { [column]: [{ author: { role: 'user' }, content: { content_type: 'text', parts: [asked] } }] },
          { [column]: [{ role: 'user', parts: [{ text: asked }] }] },
          { [column]: [{ role: 'user', from: null, content: asked, value: null }] },
        ),
        Array.from({ length: 7 }, () => asked),
        column,
      );
    assert.deepEqual(
      await instructions({ conversations: [{ role: 'system', content: 'Be brief.' }, ...talk] }),
      [asked],
    );
  });

  it('may be JSON text, nested, an object of lists or turns with a field for each speaker', async () => {
    const nested = [
      JSON.stringify(talk),
      JSON.stringify({ messages: talk }),
      { messages: shareGpt },
      [talk],
      [{ conversation: talk }],
      { role: ['user', 'assistant'], content: [asked, 'Rhine, Nile, Volga.'] },
      { from: ['human', 'gpt'], value: [asked, 'Rhine, Nile, Volga.'] },
      [{ human: asked, assistant: 'Rhine, Nile, Volga.' }],
      [{ user: asked }, { assistant: 'Nile.' }],
      [
        ['user', asked],
        ['assistant', 'Nile.'],
      ],
      [['user', asked]],
    ];
    for (const column of ['messages', 'conversations', 'prompt'])
      assert.deepEqual(
        await instructions(...nested.map((value) => ({ [column]: value }))),
        nested.map(() => asked),
        column,
      );
    parquetWriteFile({
      filename: join(folder, 'rows.parquet'),
      columnData: [{ name: 'conversation', data: [JSON.stringify(talk)], type: 'STRING' }],
    });
    const [row] = await Array.fromAsync(readInstructions(join(folder, 'rows.parquet'), 'auto'));
    assert.deepEqual(row?.result, {
      instruction: asked,
      turns: 1,
      language: undefined,
      toxic: false,
      redacted: false,
    });
  });

  it('leave a text that only looks like JSON as it is', async () => {
    const texts = ['[{"role": "admin"}] is my file.', '[{"role": "admin"}]', '["user", "text"]', '{}'];
    assert.deepEqual(await instructions(...texts.map((prompt) => ({ prompt }))), texts);
  });

  it('have contents of parts, whose texts are joined', async () => {
    const content = (...parts: unknown[]) => ({ messages: [{ role: 'user', content: parts }] });
    assert.deepEqual(
      await instructions(
        content({ type: 'text', text: asked }),
        content({ type: 'input_text', text: 'Name ' }, { type: 'text', text: 'three rivers.', image: null }),
        content('A text.', { type: 'text', text: 'Shorten it.' }),
        content({ type: 'thinking', thinking: 'hm' }, { text: asked }),
        content({ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: 'a' } }),
        content({ image: { bytes: null } }, { text: 'What is this?' }),
        content({ type: 'text', text: null }),
        { messages: [{ role: 'user', content: { type: 'text', text: asked } }] },
        { messages: [{ role: 'user', content: 7 }] },
      ),
      [
        asked,
        asked,
        'A text.\nShorten it.',
        asked,
        'dropped: "messages" has a part of the type "image_url", which is not text',
        'dropped: "messages" has a part of the type "image", which is not text',
        'failed: "messages" has a message whose content is not text: it is a list with a part that has the keys "text", "type"',
        asked,
        'failed: "messages" has a message whose content is not text: it is a number',
      ],
    );
    assert.deepEqual(
      await pairs(
        {
          prompt: [{ role: 'user', content: [{ type: 'text', text: 'Name a river.' }] }],
          chosen: [{ role: 'assistant', content: [{ type: 'text', text: 'Rhine.' }] }],
          rejected: { role: 'assistant', content: 'Everest.' },
        },
        {
          instruction: JSON.stringify([{ role: 'user', content: 'Name a river.' }]),
          responseA: [{ type: 'text', text: 'Rhine.' }],
          responseB: JSON.stringify([{ from: 'gpt', value: 'Everest.' }]),
        },
        {
          conversations: [{ from: 'human', value: 'Name a river.' }],
          chosen: { from: 'gpt', value: 'Rhine.' },
          rejected: { from: 'gpt', value: 'Everest.' },
        },
        {
          messages: [{ role: 'user', content: 'Name a river.' }],
          responseA: 'Rhine.',
          responseB: 'Everest.',
        },
        { prompt: 'Name a river.', chosen: [{ type: 'image' }], rejected: 'Everest.' },
      ),
      [
        ['Name a river.', 'Everest.', 'Rhine.'],
        ['Name a river.', 'Everest.', 'Rhine.'],
        ['Name a river.', 'Everest.', 'Rhine.'],
        ['Name a river.', 'Everest.', 'Rhine.'],
        '"chosen" has a part of the type "image", which is not text',
      ],
    );
  });

  it('leave out calls of tools and their results, and keep what the user asks before and after', async () => {
    const call = { role: 'assistant', content: null, tool_calls: [{ id: '1', type: 'function' }] };
    const result = { role: 'tool', tool_call_id: '1', content: '-3' };
    const weather = [{ role: 'user', content: 'What is the weather in Oslo?' }, call, result];
    const answer = { role: 'assistant', content: 'Minus three.' };
    const inParts = (role: string, type: string) => ({ role, content: [{ type, id: '1' }] });
    const inShareGpt = [
      { from: 'human', value: 'What is the weather in Oslo?' },
      { from: 'function_call', value: '{}' },
      { from: 'observation', value: '-3' },
      { from: 'gpt', value: 'Minus three.' },
    ];
    const oslo = 'What is the weather in Oslo?';
    assert.deepEqual(
      await instructions(
        { messages: [...weather, answer] },
        { messages: weather },
        { messages: inShareGpt },
        { messages: [weather[0], inParts('assistant', 'tool_use'), inParts('user', 'tool_result'), answer] },
        { messages: [weather[0], { role: 'assistant', content: 7 }] },
        {
          messages: [
            weather[0],
            { ...call, content: 'Let me look.' },
            result,
            answer,
            { role: 'user', content: 'And now?' },
          ],
        },
      ),
      [
        oslo,
        oslo,
        oslo,
        oslo,
        oslo,
        `User: ${oslo}\n\nAssistant: Let me look.\n\nMinus three.\n\nUser: And now?`,
      ],
    );
    assert.deepEqual(await instructions({ conversations: inShareGpt }), [oslo]);
    assert.deepEqual(
      await pairs({
        chosen: [...weather, answer],
        rejected: [...weather, { role: 'assistant', content: 'Hot.' }],
      }),
      [[oslo, 'Hot.', 'Minus three.']],
    );
  });

  it('name the keys, the role or the value that a row lacks', async () => {
    const needs = 'a message needs "role" and "content", or "from" and "value"';
    const odd = [
      [
        [{ speaker_id: 1, words: 'Hi' }],
        `failed: "messages" has a message without a role: its keys are "speaker_id", "words"; ${needs}`,
      ],
      [
        [{ role: 'user', words: 'Hi' }],
        `failed: "messages" has a message without a content: its keys are "role", "words"; ${needs}`,
      ],
      [[{ role: 'narrator', content: 'Hi' }], 'failed: "messages" has the unknown role "narrator"'],
      [
        [{ role: 'user', content: null }],
        'failed: "messages" has a message whose content is not text: it is null',
      ],
      [
        "[{'role': 'user', 'content': 'Hi'}]",
        `failed: "messages" is not a list of messages: it is a text in Python's notation; write JSON (json.dumps)`,
      ],
      [
        ['Hi', 'Hello'],
        'failed: "messages" is not a list of messages: it contains a text; a message needs "role" and "content"',
      ],
      [
        { question: 'Hi' },
        'failed: "messages" is not a list of messages: it is an object with the keys "question"',
      ],
      [7, 'failed: "messages" is not a list of messages: it is a number'],
      [null, 'failed: "messages" is null'],
    ] as const;
    assert.deepEqual(
      await instructions(...odd.map(([messages]) => ({ messages }))),
      odd.map(([, reason]) => reason),
    );
    assert.deepEqual(
      await instructions(
        { conversations: [{ role: 'assistant', content: 'and so on' }] },
        { conversations: [{ id: 7 }] },
      ),
      [
        'dropped: conversation begins with the model',
        `failed: "conversations" has a message without a role: its keys are "id"; ${needs}`,
      ],
    );
  });
});
