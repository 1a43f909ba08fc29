/** Detects the language of a text: an ISO 639-1 code, or undefined if it is uncertain. */
export type DetectLanguage = (text: string) => string | undefined;

/** Loads the detector (ELD, 60 languages). It takes half a second and about 100 MB, so it is loaded only if needed. */
export async function loadLanguageDetector(): Promise<DetectLanguage> {
  const { eld } = await import('eld/small');
  return (text) => {
    const detected = eld.detect(text);
    return detected.language !== '' && detected.isReliable() ? detected.language : undefined;
  };
}

/**
 * A set of languages in any notation: `en`, `en-GB` and `English` are equal. Data sets use different notations
 * (WildChat `English`, OASST `en` and `pt-BR`).
 */
export class LanguageSet {
  readonly #names = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'none' });
  readonly #spellingsOfSet: ReadonlySet<string>;
  readonly #results = new Map<string, boolean>();

  constructor(languages: readonly string[]) {
    this.#spellingsOfSet = new Set(languages.flatMap((language) => this.#spellings(language)));
  }

  has(language: string): boolean {
    const cached = this.#results.get(language);
    if (cached !== undefined) return cached;
    const has = this.#spellings(language).some((spelling) => this.#spellingsOfSet.has(spelling));
    this.#results.set(language, has);
    return has;
  }

  #spellings(language: string): string[] {
    const lower = language.trim().toLowerCase();
    const code = /^[a-z]{2,3}(?=$|[-_])/.exec(lower)?.[0];
    const name = code === undefined ? undefined : this.#names.of(code)?.toLowerCase();
    return [lower, ...(code === undefined ? [] : [code]), ...(name === undefined ? [] : [name])];
  }
}
