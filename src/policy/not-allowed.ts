/** The message that a policy does not allow something, with what the operator would change. */
export function notAllowed(what: string, advice: string): string {
  return `the worker's policy does not allow ${what}: ${advice} of the policy file`;
}
