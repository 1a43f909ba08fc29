/** Returns the placeholders of a template that are not among the known ones, for checking a configuration. */
export function unknownPlaceholders(template: string, known: readonly string[]): string[] {
  return [...template.matchAll(PLACEHOLDER_PATTERN)]
    .map((match) => match[1] as string)
    .filter((name) => !known.includes(name));
}

/** Only a plain name in braces is a placeholder, so that an argument may contain JSON. */
const PLACEHOLDER_PATTERN = /\{([A-Za-z]+)\}/g;

/** Fills in the placeholders in one pass: a value that looks like a placeholder is not replaced. */
export function fillTemplate(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(PLACEHOLDER_PATTERN, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) {
      throw new Error(
        `${JSON.stringify(template)} has the unknown placeholder ${whole}; allowed: ${Object.keys(values).join(', ')}`,
      );
    }
    return value;
  });
}
