/** A chat message as models take it. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** What was asked once and how it was answered: shown to a model as it stands, placeholders and all. */
export interface PromptExample {
  readonly user: string;
  readonly assistant: string;
}

/**
 * A prompt as text files hold it: an optional system message, perhaps examples, and a user message, with placeholders
 * such as `{instruction}` in the first and the last.
 */
export interface PromptTemplate {
  readonly system?: string | undefined;
  readonly examples?: readonly PromptExample[] | undefined;
  readonly user: string;
}

const PLACEHOLDER = /\{([a-zA-Z]+)\}/g;

/** The names of the placeholders in a template. */
export function placeholders(template: PromptTemplate): Set<string> {
  const text = `${template.system ?? ''}\n${template.user}`;
  return new Set([...text.matchAll(PLACEHOLDER)].map((match) => match[1] as string));
}

/**
 * The messages of a template. Values are inserted in one pass as they are: text that looks like a placeholder, or like
 * a replacement pattern, stays text. Only half a character (a lone surrogate, which JSON can hold and UTF-8 can't) becomes
 * U+FFFD. A placeholder without a value stands as it is written.
 */
export function renderPrompt(template: PromptTemplate, values: Readonly<Record<string, string>>): Message[] {
  return renderInConversation(template, values, []);
}

/**
 * The same as the last message of a conversation: the turns before it stand where they stood, after the template's own
 * system message and examples. System prompts come first and are one message, because chat templates take no second one.
 *
 * @param earlier the turns before the one that `values` fill in
 */
export function renderInConversation(
  template: PromptTemplate,
  values: Readonly<Record<string, string>>,
  earlier: readonly Message[],
): Message[] {
  const fill = (text: string) =>
    text
      .replace(PLACEHOLDER, (whole, name: string) =>
        Object.hasOwn(values, name) ? (values[name] as string) : whole,
      )
      .toWellFormed();
  const spoken = earlier.map(({ role, content }) => ({ role, content: content.toWellFormed() }));
  const system = [
    ...(template.system === undefined ? [] : [fill(template.system)]),
    ...spoken.filter(({ role }) => role === 'system').map(({ content }) => content),
  ];
  const messages: Message[] = [];
  if (system.length > 0) messages.push({ role: 'system', content: system.join('\n\n') });
  for (const { user, assistant } of template.examples ?? [])
    messages.push({ role: 'user', content: user }, { role: 'assistant', content: assistant });
  messages.push(...spoken.filter(({ role }) => role !== 'system'));
  messages.push({ role: 'user', content: fill(template.user) });
  return messages;
}
