import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Ajv, type AnySchemaObject } from 'ajv';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { jsonSchemas, toJsonSchema } from '../../src/api/json-schemas.ts';
import { schemaFiles } from '../../tools/schemas/schema-files.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { jobFileSchema } from '../../src/models/training/job.ts';

const inputs = join(packageRoot, 'temporal/inputs');

function readJson(...path: string[]): AnySchemaObject {
  return JSON.parse(readFileSync(join(...path), 'utf8')) as AnySchemaObject;
}

describe('the JSON Schemas', () => {
  const ajv = new Ajv({ allErrors: true, allowUnionTypes: true, formats: { uri: true } });
  const committed = (file: string) => readJson(packageRoot, 'schema', file);

  it('and the references of the configuration and the commands are the current output of "npm run schemas"', async () => {
    const files = await schemaFiles();
    const there = readdirSync(join(packageRoot, 'schema')).map((file) => `schema/${file}`);
    assert.deepEqual(there.sort(), [...files.keys()].filter((file) => file.startsWith('schema/')).sort());
    for (const [file, text] of files)
      assert.equal(readFileSync(join(packageRoot, file), 'utf8'), text, `${file} is old: npm run schemas`);
  });

  for (const file of readdirSync(inputs)) {
    it(`${file} names its schema and is valid according to it`, () => {
      const input = readJson(inputs, file);
      const schema = readJson(resolve(inputs, String(input['$schema'])));
      const kinds = { evaluate: 'evaluation', judge: 'judging' };
      const kind = kinds[file.split('-')[0] as keyof typeof kinds] ?? 'configuration';
      assert.equal(schema['title'], committed(`${kind}.schema.json`)['title']);
      const validate = ajv.compile(schema);
      assert(validate(input), ajv.errorsText(validate.errors));
    });
  }

  it('reject what the run rejects: an unknown field, a wrong type, a missing section, an invalid address', () => {
    const validate = ajv.compile(committed('configuration.schema.json'));
    const good = readJson(inputs, 'embedded.json');
    const { instructions: _instructions, ...withoutPool } = good;
    const wrong: [object, string][] = [
      [{ ...good, iteration: 3 }, 'iteration'],
      [{ ...good, judging: { samples: 'many' } }, 'judging.samples'],
      [withoutPool, 'instructions'],
      [
        { ...good, serving: { kind: 'endpoint', baseUrl: 'ftp://x', servedModelName: 'x' } },
        'serving.baseUrl',
      ],
      [{ ...good, fineTuning: { rounds: [{ method: 'ppo' }] } }, 'fineTuning.rounds.0.method'],
    ];
    for (const [input, path] of wrong) {
      assert(!validate(input), `${path} passes the schema`);
      const { problems } = parseConfiguration(input);
      assert.deepEqual(
        problems.map((problem) => problem.path),
        [path],
      );
    }
  });

  /** Calls with the name, the schema and the path of every field. */
  function visitFields(
    schema: unknown,
    path: string,
    seen: (name: string, about: { description?: string }, path: string) => void,
  ): void {
    if (typeof schema !== 'object' || schema === null) return;
    for (const [key, inner] of Object.entries(schema)) {
      if (key !== 'properties') visitFields(inner, path, seen);
      else
        for (const [field, about] of Object.entries(inner as Record<string, { description?: string }>)) {
          seen(field, about, `${path}.${field}`);
          visitFields(about, `${path}.${field}`, seen);
        }
    }
  }

  it('describe every field', () => {
    const nameless: string[] = [];
    const check = (_: string, { description = '' }: { description?: string }, path: string): void => {
      if (description === '') nameless.push(path);
    };
    for (const [file, schema] of jsonSchemas()) visitFields(schema, file, check);
    visitFields(toJsonSchema(jobFileSchema, 'output'), "the trainer's job", check);
    assert.deepEqual(nameless, []);
  });

  it('have every field in the reference of the configuration, or its name as a heading', () => {
    const reference = readFileSync(join(packageRoot, 'docs/configuration.md'), 'utf8');
    const names = reference.matchAll(/^(?:\| `(?:[^`]*[.\s])?(\w+)`|## (\w+)$)/gm);
    const inReference = new Set([...names].map(([, field, section]) => field ?? section));
    const missing: string[] = [];
    visitFields(committed('configuration.schema.json'), '', (name, _, path) => {
      if (name !== '$schema' && !inReference.has(name)) missing.push(path);
    });
    assert.deepEqual(missing, []);
  });
});
