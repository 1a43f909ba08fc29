/**
 * Loaded by mocha in each of its processes: test files that run at the same time have a folder of leases each
 * (src/models/gpus/machine-gpus.ts), so that they don't wait for each other's GPUs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'machine-'));
process.env['SELF_TAUGHT_EVALUATOR_MACHINE_FOLDER'] = folder;
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
