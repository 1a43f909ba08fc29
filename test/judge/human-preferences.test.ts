import assert from 'node:assert/strict';
import {
  readPreferences,
  type PreferenceLayout,
  type PreferenceRow,
} from '../../src/judge/human-preferences.ts';

async function read(layout: PreferenceLayout, ...values: unknown[]): Promise<PreferenceRow[]> {
  async function* rows() {
    for (const value of values) yield await Promise.resolve({ value });
  }
  return Array.fromAsync(readPreferences(rows(), layout));
}
const preference = (instruction: string, better: string, worse: string): PreferenceRow => ({
  kind: 'preference',
  preference: { instruction, better, worse },
});

describe('human preferences', () => {
  it('stand in a row with a prompt, the chosen response and the rejected one, as text or as messages', async () => {
    const user = { role: 'user', content: 'Why?' };
    const rows = await read(
      'preference',
      { prompt: 'Why?', chosen: 'Because.', rejected: 'No.' },
      { prompt: [user], chosen: [user, { role: 'assistant', content: 'Because.' }], rejected: 'No.' },
    );
    assert.deepEqual(rows, [preference('Why?', 'Because.', 'No.'), preference('Why?', 'Because.', 'No.')]);
  });

  it('stand in two rows of HelpSteer2 that follow each other: the more helpful response is better', async () => {
    const row = (prompt: string, response: string, helpfulness: number) => ({
      prompt,
      response,
      helpfulness,
    });
    const rows = await read(
      'helpsteer2',
      row('one', 'good', 4),
      row('one', 'bad', 1),
      row('two', 'bad', 0),
      row('two', 'good', 3),
      row('three', 'a', 2),
      row('three', 'b', 2),
    );
    assert.deepEqual(rows, [
      preference('one', 'good', 'bad'),
      preference('two', 'good', 'bad'),
      { kind: 'dropped', reason: 'equally helpful' },
    ]);
  });

  it('name the speakers of a conversation of several turns, without the marks of the data set', async () => {
    const prompt = 'Hi.\n<extra_id_1>Assistant\nHello!\n<extra_id_1>User\nWhy?';
    const steer = { prompt, response: 'x', helpfulness: 1 };
    const shown = 'User: Hi.\n\nAssistant: Hello!\n\nUser: Why?';
    assert.deepEqual(await read('helpsteer2', steer, { ...steer, response: 'y', helpfulness: 2 }), [
      preference(shown, 'y', 'x'),
    ]);
    const turns = [
      { role: 'user', content: 'Hi.' },
      { role: 'assistant', content: 'Hello!' },
      { role: 'user', content: 'Why?' },
    ];
    assert.deepEqual(await read('preference', { prompt: turns, chosen: 'y', rejected: 'x' }), [
      preference(shown, 'y', 'x'),
    ]);
  });

  it('are set aside by reason where a row says nothing, or is no such row', async () => {
    const reasons = async (layout: PreferenceLayout, ...values: unknown[]) =>
      (await read(layout, ...values)).map((row) => (row.kind === 'preference' ? row.kind : row.reason));
    assert.deepEqual(
      await reasons(
        'preference',
        { prompt: 'p', chosen: 'same', rejected: ' same' },
        { prompt: 'p', chosen: 'a', rejected: ' ' },
        { prompt: 'p', chosen: 'a' },
        { prompt: [{ role: 'user' }], chosen: 'a', rejected: 'b' },
        null,
        'text',
      ),
      [
        'equal responses',
        'empty',
        '"rejected" is neither text nor messages',
        '"prompt" is neither text nor messages',
        'not an object',
        'not an object',
      ],
    );
    const row = { prompt: 'p', response: 'a', helpfulness: 1 };
    assert.deepEqual(
      await reasons(
        'helpsteer2',
        { ...row, prompt: 'alone' },
        row,
        { ...row, response: 'b', helpfulness: 2 },
        row,
      ),
      ['no second response to its prompt follows', 'preference', 'no second response to its prompt follows'],
    );
    assert.deepEqual(await reasons('helpsteer2', row, { ...row, helpfulness: '2' }), [
      '"helpfulness" is no number',
    ]);
  });
});
