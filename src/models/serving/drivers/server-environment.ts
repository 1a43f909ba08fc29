/**
 * The worker's environment without the keys of Temporal and of endpoints. Any program may be the server, so the
 * variables that it needs can't be listed; `VLLM_API_KEY` is the server's own key.
 */
export function serverEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const isWithheld = (name: string) =>
    name.startsWith('TEMPORAL_') || (name.endsWith('API_KEY') && name !== 'VLLM_API_KEY');
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isWithheld(name)));
}
