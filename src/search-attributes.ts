/** Which of our search attributes a namespace has, and the commands that add the others. */
import type { NativeConnection } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from './workflows/search-attributes.ts';

const CLI_TYPES = { KEYWORD: 'Keyword', INT: 'Int', DOUBLE: 'Double' } as const;

/** Name and type of each search attribute, as the Temporal CLI writes them. */
export const searchAttributeTypes: readonly { readonly name: string; readonly type: string }[] =
  Object.values(SEARCH_ATTRIBUTES).map(({ name, type }) => ({ name, type: CLI_TYPES[type] }));

/** The names of ours that the namespace has. Warns once about those that it lacks: runs do without them. */
export async function registeredSearchAttributes(
  connection: NativeConnection,
  namespace: string,
  warn: (line: string) => void,
): Promise<readonly string[]> {
  let there: readonly string[];
  let problem = '';
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    there = Object.keys(customAttributes ?? {});
  } catch (error) {
    there = [];
    problem = ` (they can't be listed: ${error instanceof Error ? error.message : String(error)})`;
  }
  const missing = searchAttributeTypes.filter(({ name }) => !there.includes(name));
  if (missing.length > 0) {
    const commands = missing.map(
      ({ name, type }) =>
        `  temporal operator search-attribute create --namespace ${namespace} --name ${name} --type ${type}`,
    );
    warn(
      `runs can't be found by ${missing.map(({ name }) => name).join(', ')}: the namespace ${namespace} has no such search ` +
        `attributes${problem}. Add them, then start the worker again:\n${commands.join('\n')}`,
    );
  }
  return searchAttributeTypes.map(({ name }) => name).filter((name) => there.includes(name));
}
