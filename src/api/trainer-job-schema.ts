import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { jobFileSchema } from '../models/training/job.ts';
import { toJsonSchema } from './json-schemas.ts';

type Schema = z.core.JSONSchema.BaseSchema;

/** The JSON Schema of the trainer's job file: the trainer checks the file against it before it starts. */
export function trainerJobSchema(): object {
  const { $schema, ...rest } = toJsonSchema(jobFileSchema, 'output');
  return {
    $schema,
    title: "The trainer's job file",
    description: 'The job file for "python -m trainer --job FILE". Every field is required.',
    ...withConditions(rest),
  };
}

/**
 * The same schema without defaults, and with conditions ("if the method is dpo, then ...") instead of unions of objects: an
 * error then names the field that is wrong, while an error of a union says only that no member fits.
 */
function withConditions(schema: Schema): Schema {
  const result = Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => key !== 'default')
      .map(([key, value]) => [key, mapSchemas(key, value)]),
  ) as Schema;
  const { oneOf, ...rest } = result;
  const members = (oneOf ?? []).filter(isSchema);
  const discriminator = discriminatorOf(members);
  return discriminator === undefined ? result : { ...rest, ...conditional(members, discriminator) };
}

function mapSchemas(key: string, value: unknown): unknown {
  if (Array.isArray(value))
    return value.map((item: unknown) => (isSchema(item) ? withConditions(item) : item));
  if (!isSchema(value)) return value;
  if (key !== 'properties') return withConditions(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, isSchema(field) ? withConditions(field) : field]),
  );
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The field that tells the members of a union apart, and its value in each member. */
interface Discriminator {
  readonly name: string;
  readonly values: readonly string[];
  readonly description: string;
}

function discriminatorOf(members: readonly Schema[]): Discriminator | undefined {
  for (const name of Object.keys(members[0]?.properties ?? {})) {
    const fields = members.map((member) => member.properties?.[name]).filter(isSchema);
    const values = fields.map((field) => field.const).filter((value) => typeof value === 'string');
    if (new Set(values).size < members.length) continue;
    const descriptions = new Set(fields.map((field) => field.description ?? ''));
    return { name, values, description: [...descriptions].join(' ') };
  }
  return undefined;
}

/** The fields that all members share, then one condition for the rest of each member. */
function conditional(members: readonly Schema[], { name, values, description }: Discriminator): Schema {
  const [first, ...others] = members.map((member) => member.properties ?? {});
  const shared = Object.entries(first ?? {}).filter(([field, schema]) =>
    others.every((properties) => isDeepStrictEqual(properties[field], schema)),
  );
  const sharedNames = new Set([name, ...shared.map(([field]) => field)]);
  const isShared = (field: string) => sharedNames.has(field);
  return {
    type: 'object',
    properties: { [name]: { enum: [...values], description }, ...Object.fromEntries(shared) },
    required: (members[0]?.required ?? []).filter(isShared),
    allOf: members.map((member, index) => ({
      if: { properties: { [name]: { enum: values.slice(index, index + 1) } }, required: [name] },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      then: {
        ...member,
        properties: Object.fromEntries(
          Object.entries(member.properties ?? {}).map(([field, schema]) => [
            field,
            isShared(field) ? true : schema,
          ]),
        ),
        required: (member.required ?? []).filter((field) => !isShared(field)),
      },
    })),
  };
}
