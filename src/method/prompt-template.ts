/** A chat message for a model. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** A question and its answer as an example for a model. Placeholders in it are not filled in. */
export interface PromptExample {
  readonly user: string;
  readonly assistant: string;
}

/**
 * A prompt: an optional system message, optional examples, and a user message. System and user message have placeholders
 * such as `{instruction}`.
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
 * Fills in a template. Values are inserted unchanged in one pass, so a value that looks like a placeholder or a
 * replacement pattern is not interpreted. Only a lone surrogate, which JSON can hold but UTF-8 can't, becomes U+FFFD.
 * A placeholder without a value remains.
 */
export function renderPrompt(
  template: PromptTemplate,
  values: Readonly<Record<string, string>>,
): ChatMessage[] {
  return renderInConversation(template, values, []);
}

/**
 * Fills in a template as the last message of a conversation. The earlier messages keep their order and come after the
 * template's own system message and examples. All system messages are joined into one at the beginning, because chat
 * templates accept only one.
 *
 * @param earlier the messages before the one that `values` fill in
 */
export function renderInConversation(
  template: PromptTemplate,
  values: Readonly<Record<string, string>>,
  earlier: readonly ChatMessage[],
): ChatMessage[] {
  const fill = (text: string) =>
    text
      .replace(PLACEHOLDER, (placeholder, name: string) =>
        Object.hasOwn(values, name) ? (values[name] as string) : placeholder,
      )
      .toWellFormed();
  const earlierMessages = earlier.map(({ role, content }) => ({ role, content: content.toWellFormed() }));
  const system = [
    ...(template.system === undefined ? [] : [fill(template.system)]),
    ...earlierMessages.filter(({ role }) => role === 'system').map(({ content }) => content),
  ];
  const messages: ChatMessage[] = [];
  if (system.length > 0) messages.push({ role: 'system', content: system.join('\n\n') });
  for (const { user, assistant } of template.examples ?? [])
    messages.push({ role: 'user', content: user }, { role: 'assistant', content: assistant });
  messages.push(...earlierMessages.filter(({ role }) => role !== 'system'));
  messages.push({ role: 'user', content: fill(template.user) });
  return messages;
}
