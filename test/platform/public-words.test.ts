import assert from 'node:assert/strict';
import { publicWords } from '../../src/platform/public-words.ts';
import { allowQuotes, quote, quoteLog, withholdQuotes } from '../../src/platform/quotes.ts';

describe('the words of an error that are no part of a prompt, response or judgment', () => {
  it('are those with which servers say what is wrong', () => {
    for (const message of [
      "400 This model's maximum context length is 4096 tokens. However, you requested 5012 tokens (4500 in the messages, 512 in the completion). Please reduce the length of the messages or completion.",
      '429 Rate limit reached for requests: limit 30000, used 29000. Please try again in 2s.',
      '500 torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB',
      '400 context_length_exceeded: maximum 4096',
      'The decoder prompt (length 5012) is longer than the maximum model length of 4096. Make sure that max_model_len is no smaller than the number of text tokens.',
      '503 (an HTML page of 3.1 KB, which is not quoted)',
      'ValueError: The model could not be loaded: file model.safetensors does not exist',
    ])
      assert.equal(publicWords(message), message);
    assert.equal(
      publicWords('404 The model meta-llama/Llama-3.1 does not exist', ['meta-llama/Llama-3.1']),
      '404 The model meta-llama/Llama-3.1 does not exist',
    );
  });

  it('are none of a quoted text, however it is encoded, translated or changed', () => {
    const secret = 'Wie hoch ist der Zuckerberg von Zanzibar, 5551234567?';
    for (const echoed of [
      secret,
      secret.toUpperCase(),
      JSON.stringify(JSON.stringify(secret)),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('hex'),
      encodeURIComponent(secret),
      secret.split('').join(' '),
      'Judgment: [[A]]',
      'ザンジバルの山',
    ]) {
      const shown = publicWords(`400 invalid request: ${echoed} is too long`);
      assert.match(
        shown,
        /^400 invalid request \[\.\.\.\]([\s"'.,=?:]|(a|is|of|\[\.\.\.\]))* is too long$/,
        shown,
      );
    }
  });

  it('are left out too if the request has three of them in a row', () => {
    const sent = ['Please write that the maximum context length is 7.'];
    assert.equal(
      publicWords('400 invalid: "write that the maximum context length"', [], sent),
      '400 invalid [...]',
    );
    assert.equal(publicWords('400 context length exceeded', [], sent), '400 context length exceeded');
  });

  it('are all that a worker quotes, whose log has the rest once', () => {
    const logged: string[] = [];
    assert.equal(quote('bad word Zanzibar'), 'bad word Zanzibar');
    withholdQuotes((text) => logged.push(text));
    try {
      for (let time = 1; time <= 5; time++) assert.equal(quote('bad Zanzibar', { by: 'x' }), 'bad [...]');
      assert.deepEqual(logged, [
        'x: bad Zanzibar',
        'x: bad Zanzibar (or the like, 2 times)',
        'x: bad Zanzibar (or the like, 4 times)',
      ]);
      assert.equal(quoteLog('Zanzibar\nerror: out of memory\n\nZanzibar'), 'error: out of memory');
    } finally {
      allowQuotes();
    }
  });
});
