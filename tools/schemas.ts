/** `npm run schemas`: writes the JSON Schemas of configurations, progress, results and the trainer's job, and the references of the configuration and of the commands. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { schemaFiles } from './schemas/schema-files.ts';

for (const [file, text] of await schemaFiles()) {
  writeFileSync(join(import.meta.dirname, '..', file), text);
  console.log(file);
}
