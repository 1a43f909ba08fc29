/**
 * `npm run freeze`: records the names, fingerprints and the small store that test/freeze/freeze.test.ts compares with. Run it
 * only after a change on purpose that makes stored runs begin anew, and say so in CHANGELOG.md.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installDependencies } from '../src/cli/setup/install-dependencies.ts';
import { packageRoot } from '../src/platform/package-root.ts';
import { makeFrozenRuns, packStore } from '../test/freeze/frozen-run.ts';
import { FREEZE_FOLDER, frozenFingerprints, frozenNames } from '../test/freeze/frozen-values.ts';
import { startCluster } from '../test/support/cluster.ts';
import { startScriptedEndpoint } from '../test/support/scripted-endpoint.ts';
import { scriptedAnswers } from '../test/support/tiny-run.ts';
import { runTool } from './setup/run-tool.ts';

function record(file: string, value: unknown): void {
  writeFileSync(join(FREEZE_FOLDER, file), `${JSON.stringify(value, undefined, 2)}\n`);
}

await runTool(async () => {
  const { temporal, python } = await installDependencies();
  Object.assign(process.env, {
    SELF_TAUGHT_EVALUATOR_TEMPORAL: temporal,
    SELF_TAUGHT_EVALUATOR_PYTHON: python,
  });
  record('names.json', frozenNames());
  record('fingerprints.json', await frozenFingerprints());
  const base = join(FREEZE_FOLDER, 'base');
  rmSync(base, { recursive: true, force: true });
  const script = join(packageRoot, 'test', 'models', 'training', 'make_tiny_checkpoint.py');
  execFileSync(python, [script, base, '1024'], { stdio: 'inherit' });
  const endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
  const cluster = await startCluster();
  try {
    cluster.startWorker();
    record('results.json', await makeFrozenRuns(cluster.client, endpoint.baseUrl));
    await cluster.stopWorkers();
    packStore(cluster.storeRoot);
  } finally {
    await cluster.close();
    await endpoint.close();
  }
});
