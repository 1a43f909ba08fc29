/** What the trainer checks before a run, and before its first step: whether the model sees prompts whole and learns exactly the answers. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { TrainingFailedPermanently } from '../../../src/models/training/errors.ts';
import { followTraining } from '../../../src/models/training/follow-training.ts';
import type { TrainedConversation } from '../../../src/models/training/launchers/launcher.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { markedConversations } from '../../../src/runs/marked-conversations.ts';
import { parseConfiguration } from '../../../src/config/parse-configuration.ts';
import { sftJob } from '../../support/sft-job.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const environment = { ...process.env, OMP_NUM_THREADS: '1', PYTHONPATH: packageRoot };
const machine = { python, packageRoot, environment };
const settings = { kind: 'process' as const, command: ['{python}', '-m', 'trainer', '--job', '{job}'] };

const message = (role: 'system' | 'user' | 'assistant', content: string) => ({ role, content });
const PLAIN = { prompt: [message('user', 'A B')], completion: [message('assistant', 'A is better [[A]]')] };
const WITH_SYSTEM = { ...PLAIN, prompt: [message('system', 'says better'), ...PLAIN.prompt] };
const THINKING = {
  ...PLAIN,
  completion: [message('assistant', '<think>B says is</think>A is better [[A]]')],
};

/** A template that renders each message, and the prefix of an answer, in the given way. */
function template(
  { before = '', content = "message['content']", end = ' <end> ', generation = '<assistant> ' } = {},
  roles = ['system', 'user', 'assistant'],
): string {
  const others = roles.map((role) => `'${role}'`).join(', ');
  return [
    before,
    `{% for message in messages %}{% if message['role'] in [${others}] %}{{ '<' + message['role'] + '> ' + ${content} + ' ' }}`,
    `{% if message['role'] == 'assistant' %}{{ '${end}' }}{% endif %}{% endif %}{% endfor %}`,
    `{% if add_generation_prompt %}{{ '${generation}' }}{% endif %}`,
  ].join('');
}

const onlyAnswers = (changed: string) =>
  `(${changed} if message['role'] == 'assistant' else message['content'])`;
const refusing = (condition: string, words: string) =>
  `{% if ${condition} %}{{ raise_exception('${words}') }}{% endif %}`;

describe('a chat template', function () {
  this.timeout(900_000);
  let folder: string;
  let base: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'templates-'));
    base = join(folder, 'base');
    execFileSync(python, [join(import.meta.dirname, 'make_tiny_checkpoint.py'), base], {
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** A copy of the base with another template. */
  async function baseWith(name: string, text: string): Promise<string> {
    const copy = join(folder, name);
    await cp(base, copy, { recursive: true });
    await writeFile(join(copy, 'chat_template.jinja'), text);
    return copy;
  }

  /** What the trainer finds wrong with each conversation under its template. */
  function problems(
    cases: readonly (readonly [string, Omit<TrainedConversation, 'field'>])[],
  ): (string | null)[] {
    const { stdout, stderr, status } = spawnSync(python, [join(import.meta.dirname, 'check_templates.py')], {
      env: environment,
      input: JSON.stringify({ base, cases: cases.map(([text, rows]) => ({ template: text, ...rows })) }),
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as (string | null)[];
  }

  it('is accepted if it renders everything, whatever it does to white space and around an answer', () => {
    const accepted: [string, Omit<TrainedConversation, 'field'>][] = [
      [template(), WITH_SYSTEM],
      [template(), THINKING],
      [
        template({ content: "message['content'] | trim" }),
        { ...PLAIN, prompt: [message('user', '\n A B\n\n')] },
      ],
      // As Qwen3's.
      [
        template({
          content: onlyAnswers(
            "message['content'].replace('<think>', '<think> \\n').replace('</think>', '\\n</think>\\n\\n')",
          ),
        }),
        THINKING,
      ],
      // As DeepSeek's: the prompt opens the reasoning, and the conversation does not have it.
      [template({ generation: '<assistant> <think> ' }), PLAIN],
      // The system message at the beginning of the user's.
      [
        "{% set first = messages[0]['content'] if messages[0]['role'] == 'system' else '' %}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<user> ' + first + ' ' + message['content'] + ' ' }}{% elif message['role'] == 'assistant' %}{{ '<assistant> ' + message['content'] + ' <end>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<assistant> ' }}{% endif %}",
        WITH_SYSTEM,
      ],
    ];
    assert.deepEqual(
      problems(accepted),
      accepted.map(() => null),
    );
  });

  it('is refused by name if it loses, refuses or changes something', () => {
    const refused: [string, Omit<TrainedConversation, 'field'>, RegExp][] = [
      [
        template({ before: refusing("messages[0]['role'] == 'system'", 'System role not supported') }),
        WITH_SYSTEM,
        /^its chat template refuses a system message \(.*System role not supported\): put the text of the prompt's system\.txt/,
      ],
      [template({}, ['user', 'assistant']), WITH_SYSTEM, /^its chat template leaves out the system message/],
      [
        template({ before: refusing('messages | length > 1', 'one message only') }),
        PLAIN,
        /^its chat template refuses the conversation \(.*one message only\)/,
      ],
      [
        template({ before: '{{ nothing.at.all }}' }),
        PLAIN,
        /^its chat template refuses the conversation \(UndefinedError: /,
      ],
      [
        template({ content: "message['content'][:3]" }),
        { ...PLAIN, prompt: [message('user', 'A B is says better')] },
        /^its chat template leaves out a part of message 1 of the prompt \(user\)/,
      ],
      [
        template({ content: onlyAnswers("message['content'].split('</think>')[-1]") }),
        THINKING,
        /^its chat template leaves out the beginning of the answer, as templates do with reasoning; of "<think>B says is<\/think>A is better \[\[A\]\]" the model would learn "A is better \[\[A\]\] <end>"/,
      ],
      [
        template({ content: onlyAnswers("message['content'].split('[[')[0]") }),
        PLAIN,
        /^its chat template leaves out a part of the answer; of "A is better \[\[A\]\]" the model would learn "A is better <end>"/,
      ],
      [
        template({ content: onlyAnswers("message['content'].lower()") }),
        PLAIN,
        /leaves out a part of the answer;/,
      ],
      [template({ end: '' }), PLAIN, /^its chat template writes no end token after an answer/],
      // A special token stands only before the answer.
      [
        template({ content: onlyAnswers("'<end> ' + message['content']"), end: '' }),
        PLAIN,
        /writes no end token/,
      ],
      [
        template({ before: "{% if messages[-1]['role'] == 'assistant' %}{{ 'is ' }}{% endif %}" }),
        PLAIN,
        /^the loss would lie on message 1 of the prompt \(user\) too/,
      ],
    ];
    const found = problems(refused.map(([text, rows]) => [text, rows] as const));
    for (const [index, [text, , expected]] of refused.entries())
      assert.match(found[index] ?? 'accepted', expected, text);
  });

  it('is asked with the prompts of a run, before the run', async () => {
    const check = async (name: string, text: string, sections: object = {}) => {
      const { usable } = parseConfiguration({ judging: { prompt: 'prompts/pairwise' }, ...sections });
      const conversations = await markedConversations({ roots: [packageRoot] }, usable);
      const { problems: found } = await processLauncher.check({
        ...{ settings, machine, trustRemoteCode: false, reportTo: [] },
        baseCheckpoint: await baseWith(name, text),
        run: { conversations, adapter: { kind: 'none' } },
      });
      return { problems: found, prompts: conversations.map(({ field }) => field) };
    };
    const cutting = template({ content: onlyAnswers("message['content'].split('</think>')[-1]") });
    const [complete, silent, cut, withoutReasoning] = await Promise.all([
      check('complete', template()),
      check('silent', template({}, ['user', 'assistant']), { filtering: { reasoning: 'drop' } }),
      check('cut', cutting, { filtering: { trainingPrompt: 'prompts/compact/judge' } }),
      check('without-reasoning', cutting, { filtering: { reasoning: 'drop' } }),
    ]);
    assert.deepEqual(complete.problems, []);
    assert.deepEqual(complete.prompts, ['judging.prompt', 'judging.prompt and a judgment with reasoning']);
    const plan = { prompt: 'prompts/plan', executionPrompt: 'prompts/execute-plan', samples: 1 };
    const { usable } = parseConfiguration({
      judging: { prompt: 'prompts/pairwise', plan },
      fineTuning: { rounds: [{ method: 'sft', direct: { share: 0.5, prompt: 'prompts/compact/direct' } }] },
    });
    const asked = await markedConversations({ roots: [packageRoot] }, usable);
    assert.deepEqual(
      asked.map(({ field }) => field),
      [
        ...['judging.prompt', 'judging.plan.prompt', 'judging.plan.executionPrompt'],
        ...['fineTuning.rounds.0.direct.prompt', 'judging.prompt and a judgment with reasoning'],
      ],
    );
    assert.deepEqual(withoutReasoning.problems, []);
    assert.match(
      cut.problems.join('; '),
      /^base checkpoint \S+, with the prompt of filtering\.trainingPrompt and a judgment with reasoning: its chat template leaves out the beginning of the answer, as/,
    );
    assert.equal(silent.problems.length, 1);
    assert.match(
      silent.problems[0] ?? '',
      /^base checkpoint .*\/silent, with the prompt of judging\.prompt: its chat template leaves out the system message/,
    );
  });

  it('is asked again for each row before the first step, and the training fails for good', async () => {
    await baseWith('cutting', template({ content: onlyAnswers("message['content'].split('</think>')[-1]") }));
    const rows = ['A is better [[A]]', '<think>A</think>B [[B]]'].map((content, index) => ({
      ...{ id: `row-${index}`, prompt: PLAIN.prompt, completion: [message('assistant', content)] },
    }));
    await writeFile(join(folder, 'sft.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const job = sftJob(folder, 'of-cutting', {}, { baseCheckpoint: join(folder, 'cutting') });
    await assert.rejects(followTraining({ job, launcher: processLauncher, settings, machine }), (error) => {
      assert(error instanceof TrainingFailedPermanently, String(error));
      assert.equal(error.exitCode, 78);
      assert.match(
        error.message,
        /with the row row-1 of .*\/sft\.jsonl: its chat template leaves out the beginning of the answer, .*filtering\.reasoning/,
      );
      return true;
    });
  });

  it('without a name is used, or the only one, or the default; the model keeps all of them, readable', async () => {
    const check = async (name: string, names: Readonly<Record<string, string>>) => {
      const copy = join(folder, name);
      await cp(base, copy, { recursive: true });
      await rm(join(copy, 'chat_template.jinja'));
      await mkdir(join(copy, 'additional_chat_templates'));
      for (const [file, text] of Object.entries(names)) await writeFile(join(copy, file), text);
      const { problems: found } = await processLauncher.check({
        ...{ settings, machine, baseCheckpoint: copy, trustRemoteCode: false, reportTo: [] },
      });
      return found;
    };
    const other = 'additional_chat_templates/tool_use.jinja';
    const [two, one, named] = await Promise.all([
      check('two', { [other]: template(), 'additional_chat_templates/rag.jinja': template() }),
      check('one', { [other]: template() }),
      check('named', { [other]: 'with tools', 'chat_template.jinja': template() }),
    ]);
    assert.match(
      two.join(),
      /^base checkpoint .*\/two: its tokenizer has several chat templates \(rag, tool_use\), and none of them is called "default"/,
    );
    assert.deepEqual([one, named], [[], []]);

    const rows = Array.from({ length: 4 }, (_, index) => ({ id: `row-${index}`, ...PLAIN }));
    await writeFile(join(folder, 'sft.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const job = sftJob(folder, 'of-named', { maxSteps: 1 }, { baseCheckpoint: join(folder, 'named') });
    const { model } = await followTraining({ job, launcher: processLauncher, settings, machine });
    assert(
      model.files.some(({ name }) => name === other),
      'it is a file of the model',
    );
    assert.equal(await readFile(join(job.outputFolder, 'model', other), 'utf8'), 'with tools');
    const { mode } = await stat(join(job.outputFolder, 'model/additional_chat_templates'));
    assert.equal(mode & 0o111, 0o111 & ~process.umask(), 'others may read what is in the folder');
  });
});
