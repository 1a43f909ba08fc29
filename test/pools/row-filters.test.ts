import assert from 'node:assert/strict';
import { LanguageSet, loadLanguageDetector } from '../../src/pools/language.ts';
import type { PoolRow } from '../../src/pools/layout.ts';
import { needsDetector, rowFilter, type RowFilters } from '../../src/pools/row-filters.ts';

const none: RowFilters = {
  languages: null,
  languageFrom: 'field-else-detection',
  toxic: 'keep',
  redacted: 'keep',
  characters: { minimum: null, maximum: null },
  turns: { minimum: null, maximum: null },
};
const row: PoolRow = { instruction: 'What is the tallest mountain of Europe?', turns: 2 };

describe('the filters of a pool', () => {
  const why = (filters: Partial<RowFilters>, change: Partial<PoolRow> = {}, detected?: string) =>
    rowFilter({ ...none, ...filters }, () => detected)({ ...row, ...change })?.reason;

  it('keep everything by default', () => {
    assert.equal(why({}, { toxic: true, redacted: true, language: 'Klingon' }), undefined);
  });

  it('drop what is marked as toxic or redacted, each by its own setting', () => {
    assert.equal(why({ toxic: 'drop' }, { toxic: true }), 'toxic');
    assert.equal(why({ redacted: 'drop' }, { redacted: true }), 'redacted');
    assert.equal(why({ redacted: 'drop', toxic: 'drop' }), undefined);
    assert.equal(why({ redacted: 'drop' }, { toxic: true }), undefined);
  });

  it('count characters as a reader does, and turns, both bounds included', () => {
    const characters = { minimum: 2, maximum: 3 };
    const instructions = ['😀', '😀😀', '😀😀😀', '😀😀😀😀'];
    assert.deepEqual(
      instructions.map((instruction) => why({ characters }, { instruction })),
      ['too few characters', undefined, undefined, 'too many characters'],
    );
    assert.equal(why({ turns: { minimum: null, maximum: 1 } }), 'too many turns');
    assert.equal(why({ turns: { minimum: 3, maximum: null } }), 'too few turns');
  });

  it('take the language from the file, else from the detector, or from where they are told to', () => {
    const languages = ['en'];
    assert.equal(why({ languages }, { language: 'English' }, 'de'), undefined);
    assert.equal(why({ languages }, { language: 'German' }, 'en'), 'language');
    assert.equal(why({ languages }, {}, 'de'), 'language');
    assert.equal(why({ languages }, {}, undefined), 'language unknown');
    assert.equal(why({ languages, languageFrom: 'field' }, {}, 'en'), 'language unknown');
    assert.equal(why({ languages, languageFrom: 'detection' }, { language: 'German' }, 'en'), undefined);
  });

  it('load a detector only where it may be asked', () => {
    assert(!needsDetector(none));
    assert(!needsDetector({ ...none, languages: ['en'], languageFrom: 'field' }));
    assert(needsDetector({ ...none, languages: ['en'] }));
  });
});

describe('languages', () => {
  it('are the same by code, region and name', () => {
    const set = new LanguageSet(['en', 'Portuguese', 'zh']);
    for (const language of ['English', 'en', 'EN', 'en-GB', 'pt-BR', 'portuguese', 'Chinese', 'zh'])
      assert(set.has(language), language);
    for (const language of ['German', 'de', 'English Creole', 'p', '']) assert(!set.has(language), language);
  });

  it('are told from a text by the detector, or not at all', async () => {
    const detect = await loadLanguageDetector();
    assert.equal(detect('What is the tallest mountain of Europe, and who climbed it first?'), 'en');
    assert.equal(detect('Wie heißt der höchste Berg Europas, und wer hat ihn zuerst bestiegen?'), 'de');
    assert.equal(detect('欧洲最高的山是哪座？'), 'zh');
    assert.equal(detect('2 + 2 = ?'), undefined);
  });
});
