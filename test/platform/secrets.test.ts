import assert from 'node:assert/strict';
import { addSecret, addSecretsOf, maskSecrets, maskSecretsInJson } from '../../src/platform/secrets.ts';

const KEY = 'sk-Zq9/"R+f~7 &x<_é-mfW2';

describe('the secrets of the process', () => {
  before(() => addSecret(KEY));

  it('are hidden in each form in which an endpoint may echo them', () => {
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const bytes = [...Buffer.from(KEY)].map((byte) => byte.toString(16).padStart(2, '0'));
    const forms = {
      plain: KEY,
      bearer: `Bearer ${KEY}`,
      json: JSON.stringify({ key: KEY }),
      'json in json': JSON.stringify(JSON.stringify({ key: KEY })),
      url: encodeURIComponent(KEY),
      'url, small': encodeURIComponent(KEY).replaceAll(/%../g, (escape) => escape.toLowerCase()),
      form: new URLSearchParams({ key: KEY }).toString().replaceAll('%7E', '~'),
      hex: bytes.join(''),
      'hex, capitals': bytes.join('').toUpperCase(),
      'hex with colons': bytes.join(':'),
      'every character in percent': bytes.map((byte) => `%${byte}`).join(''),
      html: KEY.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;'),
      ...Object.fromEntries(
        ['', 'a', 'ab', 'abc', 'user:', 'Bearer '].flatMap((before) => [
          [`base64 after "${before}"`, base64(before + KEY)],
          [`base64 after "${before}", before more`, base64(`${before}${KEY} and more`)],
          [`base64url after "${before}"`, Buffer.from(before + KEY).toString('base64url')],
        ]),
      ),
    };
    for (const [name, form] of Object.entries(forms)) {
      const shown = maskSecrets(`refused: ${form}.`);
      assert.match(shown, /\[key\]/, name);
      for (const part of [form.slice(4, 14), form.slice(-14, -4)])
        if (!['json', 'json in json', 'bearer'].includes(name))
          assert(!shown.includes(part), `${name}: ${shown}`);
      assert(!shown.includes('mfW2'), `${name}: ${shown}`);
    }
  });

  it('are hidden in JSON, which stays JSON', () => {
    const value = { a: `first line\n${Buffer.from(KEY).toString('base64')}`, [KEY]: [KEY, 1, null] };
    assert.deepEqual(JSON.parse(maskSecretsInJson(JSON.stringify(value))), {
      a: 'first line\n[key]',
      '[key]': ['[key]', 1, null],
    });
    assert.equal(maskSecretsInJson('{"a": 1}'), '{"a": 1}');
  });

  it('are the values of variables that are named like keys, their parts, and passwords in addresses', () => {
    addSecretsOf({
      HF_TOKEN: 'hf_token-of-the-hub',
      AWS_SECRET_ACCESS_KEY: 'aws/secret+access',
      WANDB_API_KEY: 'key-of-the-tracker',
      TEMPORAL_API_KEY: 'key-of-temporal',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20otlp-token-1,x-team=key-of-team',
      HTTPS_PROXY: 'http://user:pass%2Dword@proxy.example:3128',
      TLS_CLIENT_KEY_DATA: '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----',
      HOME: '/home/somebody',
      MONKEY: 'not-a-secret',
    });
    const text =
      'hf_token-of-the-hub, aws/secret+access, key-of-the-tracker, key-of-temporal, otlp-token-1, key-of-team, pass%2Dword, pass-word, ' +
      'MIIEvQIBADANBgkq';
    assert.equal(maskSecrets(text), Array.from({ length: 9 }, () => '[key]').join(', '));
    assert.equal(maskSecrets('/home/somebody not-a-secret'), '/home/somebody not-a-secret');
  });

  it('hide no word: a key below 8 characters is only hidden behind the name of its scheme', () => {
    addSecret('a');
    addSecret('EMPTY');
    addSecret(' ');
    assert.equal(maskSecrets('a banana is EMPTY: Bearer EMPTY'), 'a banana is EMPTY: [key]');
  });
});
