/** A configuration picks a command of the worker's policy by its name, in place of words of its own. */

const PREFIX = 'template:';

/** The name of the template that a command picks; undefined if it has words of its own. */
export function pickedTemplate(command: readonly string[]): string | undefined {
  const [word] = command;
  return command.length === 1 && word?.startsWith(PREFIX) === true ? word.slice(PREFIX.length) : undefined;
}
