#!/usr/bin/env node
// The package's program: from a checkout by `npx self-taught-evaluator`, elsewhere by `npm link`.
process.argv.splice(2, 0, 'cli');
await import('./bootstrap.mjs');
