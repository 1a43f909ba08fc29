/** Which of our search attributes a namespace has, and the commands that add the others. */
import type { Connection } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from './workflows/search-attributes.ts';

const CLI_TYPES = { KEYWORD: 'Keyword', INT: 'Int', DOUBLE: 'Double' } as const;

/** Name and type of each search attribute, as the Temporal CLI writes them. */
export const searchAttributeTypes: readonly { readonly name: string; readonly type: string }[] =
  Object.values(SEARCH_ATTRIBUTES).map(({ name, type }) => ({ name, type: CLI_TYPES[type] }));

/** Which of our search attributes a namespace has. */
export interface SearchAttributes {
  readonly there: readonly string[];
  readonly missing: readonly string[];
  /** Why they can't be listed; none counts as there then. */
  readonly problem?: string;
  /** The commands that add what is missing. */
  readonly commands: readonly string[];
}

/** Asks the namespace for them. Either of the SDK's connections will do. */
export async function searchAttributesIn(
  { operatorService }: Pick<Connection, 'operatorService'>,
  namespace: string,
): Promise<SearchAttributes> {
  const { names, problem } = await listedNames(operatorService, namespace);
  const missing = searchAttributeTypes.filter(({ name }) => !names.includes(name));
  return {
    there: searchAttributeTypes.map(({ name }) => name).filter((name) => names.includes(name)),
    missing: missing.map(({ name }) => name),
    ...(problem === undefined ? {} : { problem }),
    commands: missing.map(
      ({ name, type }) =>
        `temporal operator search-attribute create --namespace ${namespace} --name ${name} --type ${type}`,
    ),
  };
}

async function listedNames(
  service: Connection['operatorService'],
  namespace: string,
): Promise<{ readonly names: readonly string[]; readonly problem?: string }> {
  try {
    const { customAttributes } = await service.listSearchAttributes({ namespace });
    return { names: Object.keys(customAttributes ?? {}) };
  } catch (error) {
    return { names: [], problem: error instanceof Error ? error.message : String(error) };
  }
}

/** The names of ours that the namespace has. Warns once about those that it lacks: runs do without them. */
export async function registeredSearchAttributes(
  connection: Pick<Connection, 'operatorService'>,
  namespace: string,
  warn: (line: string) => void,
): Promise<readonly string[]> {
  const { there, missing, problem, commands } = await searchAttributesIn(connection, namespace);
  if (missing.length > 0) {
    const why = problem === undefined ? '' : ` (they can't be listed: ${problem})`;
    warn(
      `runs can't be found by ${missing.join(', ')}: the namespace ${namespace} has no such search ` +
        `attributes${why}. Add them, then start the worker again:\n${commands.map((command) => `  ${command}`).join('\n')}`,
    );
  }
  return there;
}
