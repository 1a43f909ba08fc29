import assert from 'node:assert/strict';
import { HOSTILE_LINE, RAW } from '../support/hostile-text.ts';
import { createLog, type LogOptions, temporalSdkLogger } from '../../src/observability/log.ts';

const KEY = 'sk-"very"-secret';

function logWith(changes: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({
    level: 'info',
    format: 'json',
    environment: { JUDGE_API_KEY: KEY, SHORT_KEY: 'work', HOME: '/home/somebody' },
    write: (line) => lines.push(line),
    ...changes,
  });
  return { log, lines, first: () => JSON.parse(lines[0] ?? '{}') as Record<string, unknown> };
}

/** An error like those of the OpenAI library, which contain the headers of the answer and the request. */
class ErrorWithHeaders extends Error {
  readonly headers = { authorization: `Bearer ${KEY}` };
}

describe('the log of a worker', () => {
  it('has one JSON object per line, with time, level, message and attributes', () => {
    const { log, first, lines } = logWith();
    temporalSdkLogger(log).warn('Activity failed', { run: 'r', shard: 3, attempt: 2 });
    const { level, message, run, shard, attempt, time } = first();
    assert.deepEqual(
      { level, message, run, shard, attempt },
      { level: 'warn', message: 'Activity failed', run: 'r', shard: 3, attempt: 2 },
    );
    assert.equal(new Date(String(time)).toISOString(), time);
    assert(lines[0]?.endsWith('}\n'));
  });

  it('is readable on a terminal', () => {
    const { log, lines } = logWith({ format: 'text' });
    log.info('worker with roles gpu');
    const error = new Error('no usable answer');
    temporalSdkLogger(log).warn('Activity failed', { run: 'r', shard: 0, durationMs: 7, error });
    assert.deepEqual(lines, [
      'info: worker with roles gpu\n',
      'warn: Activity failed run="r" shard=0 no usable answer\n',
    ]);
  });

  it('contains no key, neither in a text nor in an object nor in an error', () => {
    for (const format of ['json', 'text'] as const) {
      const { log, lines } = logWith({ format });
      const error = new ErrorWithHeaders(`refused ${KEY}`, { cause: new Error(`sent ${KEY}`) });
      temporalSdkLogger(log).error(`asked with ${KEY}`, {
        error,
        request: { apiKey: KEY },
        authorization: KEY,
      });
      log.warn(`said ${KEY}`);
      assert.equal(lines.length, 2);
      for (const line of lines) assert(!line.includes('secret'), line);
      assert.match(lines.join(''), /asked with \[key\]/);
    }
  });

  it('writes no control or bidirectional character raw, and no line of its own for one that a message contains', () => {
    for (const format of ['json', 'text'] as const) {
      const { log, lines } = logWith({ format });
      log.warn({ run: HOSTILE_LINE }, `server: ${HOSTILE_LINE}\nerror: forged`);
      log.error(new Error(HOSTILE_LINE, { cause: new Error(HOSTILE_LINE) }));
      for (const line of lines) assert.doesNotMatch(line, RAW);
      assert.doesNotMatch(lines.join(''), /^error: forged/m);
      if (format === 'json') assert.equal((JSON.parse(lines[0] ?? '') as { run: string }).run, HOSTILE_LINE);
    }
  });

  it('keeps the messages of an error and its causes, and words that equal the value of a short variable', () => {
    const { log, first } = logWith();
    temporalSdkLogger(log).error('no work', { error: new TypeError('outer', { cause: new Error('inner') }) });
    const { error, message } = first() as { error: Record<string, unknown>; message: string };
    assert.equal(message, 'no work');
    assert.deepEqual([error['type'], error['message']], ['TypeError', 'outer']);
    assert.equal((error['cause'] as { message: string }).message, 'inner');
    assert.match(String(error['stack']), /log\.test/);
  });

  it('logs the INFO messages of the SDK at debug, and those of workflows at info', () => {
    const { log, lines } = logWith();
    const sdk = temporalSdkLogger(log);
    sdk.info('Worker state changed', { sdkComponent: 'worker' });
    sdk.warn('No workflows registered, not polling');
    sdk.info('the report is there', { sdkComponent: 'workflow' });
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { message: string }).message),
      ['the report is there'],
    );
  });
});
