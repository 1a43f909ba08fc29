/** Generates docs/configuration.md, with every field of a configuration, from the JSON Schemas. */

interface Schema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema | readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** A field, or the heading above the fields of one alternative. */
interface Row {
  readonly path: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
}

/** The reference as Markdown, with a section for each section of the configuration and a table row for each field. */
export function configurationReference(configuration: object, evaluation: object): string {
  const sections = Object.entries((configuration as Schema).properties ?? {}).filter(
    ([name]) => name !== '$schema',
  );
  const required = (configuration as Schema).required ?? [];
  const single = sections.filter(([, schema]) => rowsUnder('', schema).length === 0);
  const own = Object.keys((evaluation as Schema).properties ?? {}).filter((name) => name !== '$schema');
  return [
    '# Configuration',
    'A run is one JSON object with these fields. A field that is marked as **needed** must be given if the object that contains it is ' +
      'given; all others may be left out. A field that is not here is an error. If an object has a `kind` or a `method`, this decides ' +
      'which other fields it has: those of `(kind: command)` belong to `"kind": "command"` only. An editor that knows JSON Schema ' +
      'completes and checks a file that begins with `"$schema"` and the path of ' +
      '[schema/configuration.schema.json](../schema/configuration.schema.json). Ready ones are in [temporal/inputs](../temporal/inputs).',
    table(single.map(([name, schema]) => ({ path: name, schema, isRequired: required.includes(name) }))),
    ...sections
      .filter(([, schema]) => rowsUnder('', schema).length > 0)
      .flatMap(([name, schema]) => [
        `## ${name}`,
        described(schema, required.includes(name)),
        table(rowsUnder('', schema)),
      ]),
    '## An evaluation without training',
    `The configuration of \`evaluateJudge\` has the fields ${own.map(code).join(', ')}: ` +
      'those of a run, but for these.',
    table(
      ['runName', 'model', 'drift'].flatMap((path) => {
        const schema = (evaluation as Schema).properties?.[path] ?? {};
        const isRequired = ((evaluation as Schema).required ?? []).includes(path);
        return [{ path, schema, isRequired }, ...(path === 'drift' ? rowsUnder(path, schema) : [])];
      }),
    ),
  ].join('\n\n');
}

function described({ description = '', default: value }: Schema, isRequired: boolean): string {
  return value === null
    ? `${linked(description)} Left out by default.`
    : isRequired
      ? `${linked(description)} Needed.`
      : linked(description);
}

/**
 * The fields of a schema by their paths; the fields of alternatives contain what distinguishes them.
 * @param shown the field that has a row already, because it decides among alternatives
 */
function rowsUnder(path: string, schema: Schema, shown?: string): Row[] {
  const alternatives = schema.oneOf ?? schema.anyOf;
  if (alternatives !== undefined)
    return [
      ...discriminator(path, alternatives),
      ...alternatives.flatMap((each) => rowsUnder(path + tellingApart(each), each, constantOf(each)?.[0])),
    ];
  if (schema.type === 'array' && schema.items !== undefined && !Array.isArray(schema.items))
    return rowsUnder(`${path}[]`, schema.items as Schema);
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    if (name === shown) return [];
    const below = fieldOf(path, name);
    const isRequired = schema.required?.includes(name) ?? false;
    const rows = [{ path: below, schema: field, isRequired }];
    return isShownElsewhere(below) ? rows : [...rows, ...rowsUnder(below, field)];
  });
}

/** Omits the fields of other models, which are those of the seed model, and of their serving, which are those of the run's serving. */
function isShownElsewhere(path: string): boolean {
  return /^(generator|firstJudge|seed\.serving)$/.test(path);
}

/** The row of the field that decides among alternatives, such as `kind`, with the meaning of each value. */
function discriminator(path: string, alternatives: readonly Schema[]): Row[] {
  const constants = alternatives.map(constantOf).filter((constant) => constant !== undefined);
  const [first] = constants;
  if (first === undefined) return [];
  const [name] = first;
  const fallback = alternatives.find(({ required = [] }) => !required.includes(name))?.properties?.[name];
  const schema = {
    enum: constants.map(([, field]) => field.const),
    description: constants.map(([, field]) => `\`${String(field.const)}\`: ${field.description}`).join(' '),
    ...(fallback !== undefined && { default: fallback.const }),
  };
  return [{ path: fieldOf(path, name), schema, isRequired: true }];
}

/** The field that decides among alternatives: the first one with a fixed value. */
function constantOf({ properties = {} }: Schema): readonly [string, Schema] | undefined {
  return Object.entries(properties).find(([, field]) => field.const !== undefined);
}

/** The label of an alternative, such as `(kind: command)`. */
function tellingApart(alternative: Schema): string {
  const constant = constantOf(alternative);
  return constant === undefined ? '' : ` (${constant[0]}: ${String(constant[1].const)})`;
}

function fieldOf(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ path, schema, isRequired }) => {
    const value = 'default' in schema ? code(JSON.stringify(schema.default)) : isRequired ? '**needed**' : '';
    return `| ${code(path.trim())} | ${typeOf(schema)} | ${value} | ${linked(cell(schema.description ?? ''))} |`;
  });
  return ['| field | type | default | meaning |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

/** Describes the allowed values. */
function typeOf(schema: Schema): string {
  const { enum: values, type, items } = schema;
  const alternatives = schema.oneOf ?? schema.anyOf;
  if (alternatives !== undefined) return [...new Set(alternatives.map(typeOf))].join(' or ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(', ');
  if (type === 'array') {
    if (Array.isArray(items)) return `${items.length} numbers`;
    return items === undefined ? 'list' : listOf(items as Schema);
  }
  if (Array.isArray(type)) return type.map((each) => typeOf({ type: each })).join(' or ');
  const name =
    type === 'integer' ? 'whole number' : type === 'boolean' ? 'true, false' : String(type ?? 'any');
  return `${name}${boundsOf(schema)}`;
}

function listOf(items: Schema): string {
  const type = typeOf(items);
  return `list of ${/^(string|object)$/.test(type) ? `${type}s` : type}`;
}

function boundsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  const bounds = [
    minimum === undefined ? undefined : `≥ ${minimum}`,
    exclusiveMinimum === undefined ? undefined : `> ${exclusiveMinimum}`,
    maximum === undefined ? undefined : `≤ ${maximum}`,
    exclusiveMaximum === undefined ? undefined : `< ${exclusiveMaximum}`,
  ].filter((bound) => bound !== undefined);
  return bounds.length === 0 ? '' : ` ${bounds.join(', ')}`;
}

/** Descriptions are also shown by editors and errors, so they name pages by their path in the package. */
function linked(text: string): string {
  return text.replaceAll(/\bdocs\/([a-z-]+\.md)\b/g, '[$1]($1)');
}

function code(text: string): string {
  return `\`${cell(text)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
