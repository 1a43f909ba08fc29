/** Functions that read a value call themselves for each level, and what is written for people or machines has few. */
const MAX_LEVELS = 100;

/** Why a value from outside may not be read: an attacker's can have more levels than the stack of a function. Undefined if it may. */
export function nestingProblem(value: unknown): string | undefined {
  return isNestedDeeper(value, MAX_LEVELS) ? `nested deeper than ${MAX_LEVELS} levels` : undefined;
}

function isNestedDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isNestedDeeper(inner, levels - 1));
}
