#!/usr/bin/env node
/**
 * The package's program. In a checkout it runs the source by tools/bootstrap.mjs, which installs what is missing. An
 * installed package has no tools/ and runs the compiled program.
 */
import { existsSync } from 'node:fs';
import module from 'node:module';

const OLDEST_NODE = 22;

const bootstrap = new URL('../tools/bootstrap.mjs', import.meta.url);
if (existsSync(bootstrap)) {
  process.argv.splice(2, 0, 'src/cli/main.ts');
  await import(bootstrap.href);
} else if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  console.error(`Node ${OLDEST_NODE} or newer is needed, but this is ${process.versions.node}.`);
  process.exitCode = 1;
} else {
  module.enableCompileCache();
  await import(new URL('../dist/cli/main.js', import.meta.url).href);
}
