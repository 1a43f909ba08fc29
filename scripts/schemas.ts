/** `npm run schemas`: writes the JSON Schemas of configurations, progress and results. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonSchemas } from '../src/contract/json-schemas.ts';

const folder = join(import.meta.dirname, '..', 'schema');

for (const [file, schema] of jsonSchemas()) {
  writeFileSync(join(folder, file), `${JSON.stringify(schema, undefined, 2)}\n`);
  console.log(`schema/${file}`);
}
