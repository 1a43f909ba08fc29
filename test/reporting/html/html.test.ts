import assert from 'node:assert/strict';
import { html } from '../../../src/reporting/html/html.ts';

describe('html', () => {
  it('escapes text so that it can end neither an element nor a quoted attribute', () => {
    const { text } = html`<p title="${`"'<>&`}">${`"'<>&`}</p>`;
    assert.equal(text, '<p title="&quot;&#39;&lt;&gt;&amp;">&quot;&#39;&lt;&gt;&amp;</p>');
  });

  it('inserts its own pieces and lists of them without escaping them again', () => {
    const items = ['a&b', 'c'].map((item) => html`<b>${item}</b>`);
    assert.equal(html`<i>${items}${undefined}${false}${0}</i>`.text, '<i><b>a&amp;b</b><b>c</b>0</i>');
  });

  it('shows control characters as symbols and keeps tabs and newlines', () => {
    assert.equal(html`${'a\u0000\u001b\t\n\uD800'}`.text, 'a␀␛\t\n\uFFFD');
    assert.equal(html`${'a\u202e\u009b\u007f'}`.text, 'a[U+202E][U+009B][U+007F]');
  });
});
