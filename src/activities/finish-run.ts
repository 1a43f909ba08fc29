import { writeFileAtomically } from '../artifacts/store.ts';
import type { Dependencies } from './dependencies.ts';
import { runUris } from './open-run.ts';
import type { RunResult } from './types.ts';

/** Writes `result.json`: the run's result outlives the server's memory of the workflow. */
export async function finishRun(deps: Dependencies, result: RunResult): Promise<string> {
  const uri = runUris.result(result.runName);
  await writeFileAtomically(deps.store.path(uri), `${JSON.stringify(result, undefined, 2)}\n`);
  return uri;
}
