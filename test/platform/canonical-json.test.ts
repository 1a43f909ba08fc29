import assert from 'node:assert/strict';
import { canonicalJson } from '../../src/platform/canonical-json.ts';

describe('canonical JSON', () => {
  it('has its fields in one order at every depth, and lists in their own', () => {
    const value = { b: [{ d: 1, c: 2 }, 3], a: { y: null, x: 'é' }, ä: 0, Z: 0, 10: 0, 9: 0 };
    const wanted = '{"9":0,"10":0,"Z":0,"a":{"x":"é","y":null},"b":[{"c":2,"d":1},3],"ä":0}';
    assert.equal(canonicalJson(value), wanted);
    assert.equal(canonicalJson(JSON.parse(wanted)), wanted);
  });

  it('keeps text that a model may write, and is one line', () => {
    const text = '\u0000\n\r\u2028"\\\ud800 [[A]] \u{1F600}';
    const json = canonicalJson({ text });
    assert(!json.includes('\n') && !json.includes('\r'));
    assert.deepEqual(JSON.parse(json), { text });
    assert.deepEqual(JSON.parse(Buffer.from(json).toString('utf8')), { text });
  });

  it('leaves out what is undefined and keeps a field of any name', () => {
    assert.equal(canonicalJson({ a: undefined, b: 1 }), '{"b":1}');
    assert.equal(canonicalJson(JSON.parse('{"__proto__":{"b":1,"a":2}}')), '{"__proto__":{"a":2,"b":1}}');
  });
});
