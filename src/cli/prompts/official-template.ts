import { placeholders, type PromptTemplate } from '../../method/prompt-template.ts';

/** A part of an official prompt has another form than expected. */
export class UnexpectedPrompt extends Error {
  override readonly name = 'UnexpectedPrompt';
}

/** The names of placeholders in an official prompt with ours. */
export type PlaceholderNames = Readonly<Record<string, string>>;

/** Converts a template of Python's `str.format`: `{question}` becomes `{instruction}`, and `{{` a brace. */
export function fromPythonFormat(text: string, names: PlaceholderNames): string {
  const converted = text.replaceAll(/\{\{|\}\}|\{(\w+)\}/g, (whole, name: string | undefined) => {
    if (name === undefined) return whole.slice(1);
    return ourPlaceholder(name, names);
  });
  return checked(converted, names);
}

/** Converts a Jinja template that has only variables. Jinja leaves out a newline at the end. */
export function fromJinja(text: string, names: PlaceholderNames): string {
  if (text.includes('{%')) throw new UnexpectedPrompt('has statements of Jinja');
  const converted = text
    .replace(/\n$/, '')
    .replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, name: string) => ourPlaceholder(name, names));
  return checked(converted, names);
}

/** Splits a prompt with the marks of ChatML into its system and its user message. */
export function fromChatMl(text: string, names: PlaceholderNames): PromptTemplate {
  const messages = [...text.matchAll(/<\|im_start\|>(\w+)\n([^]*?)<\|im_end\|>/g)].map(
    ([, role, content = '']) => ({ role, content: content.trim() }),
  );
  const [system, user, ...others] = messages;
  if (system?.role !== 'system' || user?.role !== 'user' || others.length > 0)
    throw new UnexpectedPrompt('is not a system message and a user message in ChatML');
  return { system: withoutPlaceholders(system.content), user: fromPythonFormat(user.content, names) };
}

/** Returns a text that is not a template; its braces must not look like our placeholders. */
export function withoutPlaceholders(text: string): string {
  return checked(text, {});
}

function ourPlaceholder(name: string, names: PlaceholderNames): string {
  const ours = names[name];
  if (ours === undefined) throw new UnexpectedPrompt(`has the unknown placeholder {${name}}`);
  return `{${ours}}`;
}

function checked(text: string, names: PlaceholderNames): string {
  const found = [...placeholders({ user: text })].sort().join(', ');
  const expected = [...new Set(Object.values(names))].sort().join(', ');
  if (found !== expected)
    throw new UnexpectedPrompt(`has the values ${found || 'none'}; expected ${expected || 'none'}`);
  return text;
}
