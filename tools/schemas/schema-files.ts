import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { jsonSchemas } from '../../src/api/json-schemas.ts';
import { trainerJobSchema } from '../../src/api/trainer-job-schema.ts';
import { commandReference } from '../../src/cli/reference.ts';
import { configurationReference } from './configuration-reference.ts';

const root = join(import.meta.dirname, '..', '..');

/** The files that are generated from schemas and commands: path in the package, and text. */
export async function schemaFiles(): Promise<ReadonlyMap<string, string>> {
  const schemas = jsonSchemas();
  const reference = configurationReference(
    schemas.get('configuration.schema.json') ?? {},
    schemas.get('evaluation.schema.json') ?? {},
  );
  const settings = await resolveConfig(join(root, 'docs', 'configuration.md'));
  const markdown = (text: string) => format(text, { ...settings, parser: 'markdown' });
  const files = [
    ...[...schemas].map(([file, schema]) => [`schema/${file}`, schema] as const),
    ['trainer/job.schema.json', trainerJobSchema()] as const,
  ].map(([file, schema]) => [file, `${JSON.stringify(schema, undefined, 2)}\n`] as const);
  return new Map([
    ...files,
    ['docs/configuration.md', await markdown(reference)],
    ['docs/cli.md', await markdown(commandReference())],
  ]);
}
