import type { Dependencies } from './dependencies.ts';
import { runUris } from '../runs/run-layout.ts';
import type { RunResult } from '../api/result.ts';

/** Writes `result.json`, so that the result remains after the server's retention of the workflow. */
export async function writeRunResult(deps: Dependencies, result: RunResult): Promise<string> {
  const uri = runUris.result(result.runName);
  await deps.store.writeText(uri, `${JSON.stringify(result, undefined, 2)}\n`);
  return uri;
}
