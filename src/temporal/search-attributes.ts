/** Finds which of the product's search attributes a namespace has, and the commands that add the others. */
import type { Connection } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../workflows/search-attributes.ts';

const CLI_TYPES = { KEYWORD: 'Keyword', INT: 'Int', DOUBLE: 'Double' } as const;

/** Name and type of each search attribute in the notation of the Temporal CLI. */
export const searchAttributeTypes: readonly { readonly name: string; readonly type: string }[] =
  Object.values(SEARCH_ATTRIBUTES).map(({ name, type }) => ({ name, type: CLI_TYPES[type] }));

/** The search attributes of the product that a namespace has. */
export interface SearchAttributes {
  readonly present: readonly string[];
  readonly missing: readonly string[];
  /** Why they can't be listed; then all are treated as missing. */
  readonly problem?: string;
  /** The commands that add the missing ones. */
  readonly commands: readonly string[];
}

/** Lists the search attributes of the namespace, by a client's or a worker's connection. */
export async function checkSearchAttributes(
  { operatorService }: Pick<Connection, 'operatorService'>,
  namespace: string,
): Promise<SearchAttributes> {
  const { names, problem } = await listedNames(operatorService, namespace);
  const missing = searchAttributeTypes.filter(({ name }) => !names.includes(name));
  return {
    present: searchAttributeTypes.map(({ name }) => name).filter((name) => names.includes(name)),
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

/**
 * Returns the product's search attributes that the namespace has. Warns once about the missing ones, which runs don't
 * need.
 */
export async function registeredSearchAttributes(
  connection: Pick<Connection, 'operatorService'>,
  namespace: string,
  warn: (line: string) => void,
): Promise<readonly string[]> {
  const { present, missing, problem, commands } = await checkSearchAttributes(connection, namespace);
  if (missing.length > 0) {
    const why = problem === undefined ? '' : ` (they can't be listed: ${problem})`;
    warn(
      `runs can't be searched by ${missing.join(', ')}: the namespace ${namespace} lacks these search ` +
        `attributes${why}. Add them, then start the worker again:\n${commands.map((command) => `  ${command}`).join('\n')}`,
    );
  }
  return present;
}
