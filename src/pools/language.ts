/** Says which language a text is in: an ISO 639-1 code, or undefined where it can't tell. */
export type DetectLanguage = (text: string) => string | undefined;

/** Loads the detector (ELD, 60 languages): half a second and some 100 MB, so only where it is needed. */
export async function loadLanguageDetector(): Promise<DetectLanguage> {
  const { eld } = await import('eld/small');
  return (text) => {
    const found = eld.detect(text);
    return found.language !== '' && found.isReliable() ? found.language : undefined;
  };
}

/**
 * Compares languages however they are written: `en`, `en-GB` and `English` are one. Data sets name them in their own
 * way (WildChat `English`, OASST `en` and `pt-BR`).
 */
export class LanguageSet {
  readonly #names = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'none' });
  readonly #wanted: ReadonlySet<string>;
  readonly #known = new Map<string, boolean>();

  constructor(languages: readonly string[]) {
    this.#wanted = new Set(languages.flatMap((language) => this.#spellings(language)));
  }

  has(language: string): boolean {
    const known = this.#known.get(language);
    if (known !== undefined) return known;
    const has = this.#spellings(language).some((spelling) => this.#wanted.has(spelling));
    this.#known.set(language, has);
    return has;
  }

  #spellings(language: string): string[] {
    const lower = language.trim().toLowerCase();
    const code = /^[a-z]{2,3}(?=$|[-_])/.exec(lower)?.[0];
    const name = code === undefined ? undefined : this.#names.of(code)?.toLowerCase();
    return [lower, ...(code === undefined ? [] : [code]), ...(name === undefined ? [] : [name])];
  }
}
