import assert from 'node:assert/strict';
import { LanguageSet, loadLanguageDetector } from '../../src/datasets/language-detection.ts';
import type { InstructionRow } from '../../src/datasets/instruction-formats/instruction-format.ts';
import { needsLanguageDetector, rowFilter, type RowFilters } from '../../src/datasets/instruction-filters.ts';

const none: RowFilters = {
  languages: null,
  languageSource: 'field-else-detection',
  toxic: 'keep',
  redacted: 'keep',
  characters: { min: null, max: null },
  turns: { min: null, max: null },
};
const row: InstructionRow = { instruction: 'What is the tallest mountain of Europe?', turns: 2 };

describe('the filters of a pool', () => {
  const why = (filters: Partial<RowFilters>, change: Partial<InstructionRow> = {}, detected?: string) =>
    rowFilter({ ...none, ...filters }, () => detected)({ ...row, ...change })?.reason;

  it('keep everything by default', () => {
    assert.equal(why({}, { toxic: true, redacted: true, language: 'Klingon' }), undefined);
  });

  it('drop rows that are marked as toxic or redacted, each by its own setting', () => {
    assert.equal(why({ toxic: 'drop' }, { toxic: true }), 'toxic');
    assert.equal(why({ redacted: 'drop' }, { redacted: true }), 'redacted');
    assert.equal(why({ redacted: 'drop', toxic: 'drop' }), undefined);
    assert.equal(why({ redacted: 'drop' }, { toxic: true }), undefined);
  });

  it('count Unicode characters and turns, with inclusive bounds', () => {
    const characters = { min: 2, max: 3 };
    const instructions = ['😀', '😀😀', '😀😀😀', '😀😀😀😀'];
    assert.deepEqual(
      instructions.map((instruction) => why({ characters }, { instruction })),
      ['too few characters', undefined, undefined, 'too many characters'],
    );
    assert.equal(why({ turns: { min: null, max: 1 } }), 'too many turns');
    assert.equal(why({ turns: { min: 3, max: null } }), 'too few turns');
  });

  it('take the language from the file, otherwise from the detector, or from the configured source', () => {
    const languages = ['en'];
    assert.equal(why({ languages }, { language: 'English' }, 'de'), undefined);
    assert.equal(why({ languages }, { language: 'German' }, 'en'), 'language');
    assert.equal(why({ languages }, {}, 'de'), 'language');
    assert.equal(why({ languages }, {}, undefined), 'language unknown');
    assert.equal(why({ languages, languageSource: 'field' }, {}, 'en'), 'language unknown');
    assert.equal(why({ languages, languageSource: 'detection' }, { language: 'German' }, 'en'), undefined);
  });

  it('load a detector only if it may be used', () => {
    assert(!needsLanguageDetector(none));
    assert(!needsLanguageDetector({ ...none, languages: ['en'], languageSource: 'field' }));
    assert(needsLanguageDetector({ ...none, languages: ['en'] }));
  });
});

describe('languages', () => {
  it('are equal by code, region and name', () => {
    const set = new LanguageSet(['en', 'Portuguese', 'zh']);
    for (const language of ['English', 'en', 'EN', 'en-GB', 'pt-BR', 'portuguese', 'Chinese', 'zh'])
      assert(set.has(language), language);
    for (const language of ['German', 'de', 'English Creole', 'p', '']) assert(!set.has(language), language);
  });

  it('are detected in a text, or undefined if uncertain', async () => {
    const detect = await loadLanguageDetector();
    assert.equal(detect('What is the tallest mountain of Europe, and who climbed it first?'), 'en');
    assert.equal(detect('Wie heißt der höchste Berg Europas, und wer hat ihn zuerst bestiegen?'), 'de');
    assert.equal(detect('欧洲最高的山是哪座？'), 'zh');
    assert.equal(detect('2 + 2 = ?'), undefined);
  });
});
