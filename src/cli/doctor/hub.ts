import { type Finding, oneLineMessage, note, ok } from './finding.ts';

const ANSWER_MILLISECONDS = 5_000;

/** Returns whether the Hugging Face hub answers and accepts HF_TOKEN. A run needs the hub only if its configuration names it. */
export async function hubFinding(environment: NodeJS.ProcessEnv): Promise<Finding> {
  const url = environment['HF_ENDPOINT'] || 'https://huggingface.co';
  const token = environment['HF_TOKEN'];
  try {
    const response = await fetch(`${url}/api/${token ? 'whoami-v2' : 'models?limit=1'}`, {
      signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
      headers: token ? { authorization: `Bearer ${token}` } : {},
    });
    await response.body?.cancel();
    if (response.status === 401 && token)
      return note(
        'hub',
        `${url} rejects the token in HF_TOKEN`,
        'Set HF_TOKEN to a valid token, or unset it.',
      );
    if (!response.ok) return note('hub', `${url} answers with the status ${response.status}`);
    return ok(
      'hub',
      `${url} answers${token ? ', and accepts the token in HF_TOKEN' : '; HF_TOKEN, which private files need, is not set'}`,
    );
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return note(
      'hub',
      `${url} can't be reached (${oneLineMessage(cause)})`,
      'Only needed for hf:// pools, checkpoints by id, and publishing. Set HF_ENDPOINT to a mirror, or use local files.',
    );
  }
}
