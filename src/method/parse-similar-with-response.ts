/**
 * Parses the similar instruction x' and the response to it from one answer (the paper generates both in one call;
 * `prompts/similar-with-response`). The last marker may be missing, because models often stop right before it; the
 * result is undefined if any other marker is. Searches for the markers one after the other, because a regular expression
 * would need minutes for an answer that repeats a marker many times.
 */
export function parseSimilarWithResponse(
  text: string,
): { instruction: string; response: string } | undefined {
  const [, fromInstruction] = cutAt(text, '[The Start of the Modified Instruction]');
  const [instruction, afterInstruction] = cutAt(fromInstruction, '[The End of the Modified Instruction]');
  const [, fromResponse] = cutAt(afterInstruction, '[The Start of the Answer to the Modified Instruction]');
  if (fromResponse === undefined) return undefined;
  const [response] = cutAt(fromResponse, '[The End of the Answer to the Modified Instruction]');
  return { instruction: instruction.trim(), response: response.trim() };
}

/** The text before the first `mark`, and the text after it: undefined if there is no mark. */
function cutAt(text: string | undefined, mark: string): [before: string, after: string | undefined] {
  if (text === undefined) return ['', undefined];
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + mark.length)];
}
