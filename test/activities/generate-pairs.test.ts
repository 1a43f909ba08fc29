import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generatePairs } from '../../src/activities/generate-pairs.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import type { Script } from '../support/scripted-endpoint.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import type { GeneratedPair } from '../../src/runs/records.ts';

const instructions = Array.from({ length: 4 }, (_, index) => ({
  id: `id-${index}`,
  instruction: `Question ${index}?`,
}));
const answer = (text: string) => ({ kind: 'answer' as const, texts: [text] });
const down = { kind: 'status', status: 401 } as const;

/** Answers each request; a similar instruction is the instruction with "Similar" before it. */
const generator: Script = ({ body }) => {
  const asked = body.messages.at(-1)?.content ?? '';
  return answer(asked.startsWith('Similar: ') ? `Other ${asked.slice(9)}` : `The answer to ${asked}`);
};
const inOneCall = (instruction: string, response: string) =>
  answer(
    `[The Start of the Modified Instruction]\n${instruction}\n[The End of the Modified Instruction]\n` +
      `[The Start of the Answer to the Modified Instruction]\n${response}\n`,
  );

describe('generating pairs', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function start(
    calls: 'one' | 'two',
    script: Script,
    more: Partial<Extract<ConfigurationInput['pairs'], { construction?: unknown }>> = {},
    asked: readonly object[] = instructions,
  ) {
    const testRun = await startTestRun(
      { pairs: { calls, ...more }, inference: { concurrentRequestsPerShard: 1 } },
      {
        ...(more.limits
          ? { limits: { 'prompts/words': { user: 'At most {limit} words: {instruction}' } } }
          : {}),
        ...(more.construction === 'worse-response'
          ? { similar: null, worse: { user: 'Worse: {instruction} | {response}' } }
          : calls === 'one'
            ? { similar: { user: 'Similar: {instruction} | {response}' } }
            : {}),
      },
    );
    runs.push(testRun);
    const { deps, run, model, endpoint } = testRun;
    endpoint.script(script);
    const input = await testRun.publish('test/instructions/selected', asked, 10);
    const folder = deps.store.locate('test/pairs/shard-00000');
    const lines = async <T>(file: string) =>
      (await readFile(join(folder, file), 'utf8'))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as T);
    return {
      endpoint,
      generate: () => asActivity(() => generatePairs(deps, { run, iteration: 0, model, input, shard: 0 })),
      bytes: () => readFile(join(folder, 'records.jsonl'), 'utf8'),
      pairs: () => lines<GeneratedPair>('records.jsonl'),
      dropped: async () =>
        Object.fromEntries(
          (await lines<{ id: string; reason: string }>('skipped.jsonl')).map(({ id, reason }) => [
            id,
            reason,
          ]),
        ),
      asked: () => endpoint.requests.map(({ body }) => body.messages.at(-1)?.content ?? ''),
    };
  }

  it('uses the response to the instruction as the better one and the response to a similar instruction as the worse one', async () => {
    const run = await start('two', generator);
    const { counts } = await run.generate();
    assert.equal(counts['pairs'], 4);
    assert.deepEqual(
      await run.pairs(),
      instructions.map(({ id, instruction }) => ({
        id,
        instruction,
        better: `The answer to ${instruction}`,
        worse: `The answer to Other ${instruction}`,
        similarInstruction: `Other ${instruction}`,
      })),
    );
    assert.equal(run.asked().length, 12);
  });

  it('adds pairs with a limit of length, which need no request', async () => {
    const long: Script = (request) => {
      const asked = request.body.messages.at(-1)?.content ?? '';
      const isLong = asked.includes('Other');
      return asked.startsWith('Similar: ')
        ? generator(request)
        : answer(isLong ? 'word '.repeat(40) : 'Short.');
    };
    const run = await start('two', long, {
      limits: [{ kind: 'words', share: 1, prompt: 'prompts/words' }],
    });
    const { counts } = await run.generate();
    assert.deepEqual([counts['pairs'], counts['with a limit']], [12, 8]);
    assert.equal(run.asked().length, 12);
    const pairs = await run.pairs();
    assert.equal(new Set(pairs.map(({ id }) => id)).size, 12);
    for (const { id, instruction, better, worse, subset, similarInstruction } of pairs) {
      assert.deepEqual([better, worse.length], ['Short.', 199], id);
      assert.equal(subset, /-words-(?:kept|broken)$/.test(id) ? 'limit-words' : undefined);
      assert.equal(similarInstruction !== undefined, subset === undefined);
      assert.match(instruction, subset === undefined ? /^Question/ : /^At most \d+ words: Question/);
    }
  });

  it('sends a conversation as a chat, and asks for a similar last turn', async () => {
    const earlier = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi.' },
      { role: 'assistant', content: 'Hello!' },
    ];
    const conversation = [...earlier, { role: 'user', content: 'Question 9?' }];
    const instruction = 'System: Be brief.\n\nUser: Hi.\n\nAssistant: Hello!\n\nUser: Question 9?';
    const run = await start('two', generator, {}, [{ id: 'id-9', instruction, conversation }]);
    await run.generate();
    assert.deepEqual(await run.pairs(), [
      {
        id: 'id-9',
        instruction,
        better: 'The answer to Question 9?',
        worse: 'The answer to Other Question 9?',
        similarInstruction: 'Other Question 9?',
      },
    ]);
    for (const { body } of run.endpoint.requests) assert.deepEqual(body.messages.slice(0, -1), earlier);
    // A similar turn that is the same one is no other instruction, though the whole conversation differs from it.
    const same = await start(
      'two',
      () => ({ kind: 'answer', texts: ['Question 9?'], finishReason: 'stop' }),
      {},
      [{ id: 'id-9', instruction, conversation }],
    );
    await same.generate();
    assert.deepEqual(await same.dropped(), { 'id-9': 'similar instruction equals the instruction' });
  });

  it('takes the similar instruction and its response from one call that includes the instruction and the better response', async () => {
    const run = await start('one', (request) => {
      const asked = request.body.messages.at(-1)?.content ?? '';
      return asked.startsWith('Similar: ')
        ? inOneCall(`Not ${asked.slice(9, 19)}`, ' Lima. ')
        : generator(request);
    });
    await run.generate();
    assert(run.asked().includes('Similar: Question 2? | The answer to Question 2?'));
    assert.equal(run.asked().length, 8);
    const pair = (await run.pairs()).find(({ id }) => id === 'id-2');
    assert.deepEqual(pair, {
      id: 'id-2',
      instruction: 'Question 2?',
      better: 'The answer to Question 2?',
      worse: 'Lima.',
      similarInstruction: 'Not Question 2',
    });
  });

  it('drops instructions that give no pair, each with its reason, and sends no useless requests', async () => {
    const run = await start('two', (request) => {
      const asked = request.body.messages.at(-1)?.content ?? '';
      if (asked === 'Similar: Question 0?') return answer(' Question 0? ');
      if (asked === 'Similar: Question 1?') return answer(' \n');
      if (asked.endsWith('Question 2?') && !asked.startsWith('Similar')) return answer('42');
      if (asked === 'Other Question 3?') return { kind: 'answer', finishReason: 'length' };
      return generator(request);
    });
    const { counts } = await run.generate();
    assert.equal(counts['pairs'], 0);
    assert.deepEqual(await run.dropped(), {
      'id-0': 'similar instruction equals the instruction',
      'id-1': 'empty',
      'id-2': 'equal responses',
      'id-3': 'truncated',
    });
    assert(!run.asked().includes(' \n'));
  });

  it('drops refusals and responses that differ only in white space and case, and sends no request after a refusal', async () => {
    const script: Script = (request) => {
      const asked = request.body.messages.at(-1)?.content ?? '';
      if (asked === 'Question 0?') return answer("I'm sorry, but I can't help with that.");
      if (asked === 'Similar: Question 1?') return answer('Sorry, I cannot assist with this request.');
      if (asked === 'Other Question 2?') return answer('I cannot help with that.');
      if (asked === 'Other Question 3?') return answer('the  ANSWER to question 3?');
      return generator(request);
    };
    const run = await start('two', script);
    const { counts } = await run.generate();
    assert.deepEqual([counts['pairs'], counts['dropped: refusal']], [0, 3]);
    assert.equal(counts['dropped: responses differ only in white space and case'], 1);
    assert.deepEqual(
      run.asked().filter((asked) => asked.startsWith('Other') || asked.startsWith('Sorry')),
      ['Other Question 2?', 'Other Question 3?'],
    );
    const kept = await start('two', script, { refusals: 'keep' });
    assert.equal((await kept.generate()).counts['pairs'], 3);
  });

  it('asks for a worse response to the instruction itself if so configured', async () => {
    const run = await start(
      'two',
      (request) => {
        const asked = request.body.messages.at(-1)?.content ?? '';
        if (asked === 'Question 3?') return answer(' ');
        return asked.startsWith('Worse: ') ? answer(` Bad ${asked.slice(7, 17)} `) : generator(request);
      },
      { construction: 'worse-response' },
    );
    const { counts } = await run.generate();
    assert.equal(counts['pairs'], 3);
    assert(run.asked().includes('Worse: Question 2? | The answer to Question 2?'));
    assert.equal(run.asked().length, 4 + 3);
    assert.deepEqual((await run.pairs())[2], {
      id: 'id-2',
      instruction: 'Question 2?',
      better: 'The answer to Question 2?',
      worse: 'Bad Question 2',
    });
    assert.deepEqual(await run.dropped(), { 'id-3': 'empty' });
  });

  it('drops an answer that is not in the requested format', async () => {
    const run = await start('one', generator);
    const { counts } = await run.generate();
    assert.equal(counts['dropped: similar instruction not in the requested format'], 4);
  });

  it('has the same bytes after a failure at any request as without one, and repeats no answered request', async () => {
    const undisturbed = await start('two', generator);
    await undisturbed.generate();
    for (const [fails, answeredBefore] of [
      [1, 1],
      [4, 4],
      [9, 9],
    ] as const) {
      // The failing answer comes at once, that of a concurrent request later.
      const run = await start('two', (request) => {
        if (request.index === fails) return down;
        const { texts } = generator(request) as ReturnType<typeof answer>;
        return { kind: 'answer', texts: [...texts], afterMilliseconds: 20 };
      });
      await assert.rejects(run.generate(), { name: 'AuthenticationFailed' });
      const before = run.asked();
      run.endpoint.script(generator);
      await run.generate();
      const answered = before.toSpliced(fails, 1);
      assert(answered.length >= answeredBefore);
      assert.deepEqual(
        run
          .asked()
          .slice(before.length)
          .filter((asked) => answered.includes(asked)),
        [],
      );
      assert.equal(await run.bytes(), await undisturbed.bytes());
    }
  });
});
