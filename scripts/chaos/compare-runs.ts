import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Manifest } from '../../src/artifacts/reference.ts';
import type { RunResult } from '../../src/client.ts';
import { RESULT_FILE, resultSchema } from '../../src/training/job.ts';

export interface Comparison {
  /** Records, artifacts and iterations of the undisturbed run that the other one lacks, and records that it has twice. */
  readonly lost: number;
  /** What differs, in words; empty where the data are the same. */
  readonly differences: readonly string[];
  readonly artifacts: number;
  readonly records: number;
}

/** Compares the data of a run with those of an undisturbed one in the same store: every artifact, record by record. */
export function compareRuns(storeRoot: string, undisturbed: string, disturbed: string): Comparison {
  const differences: string[] = [];
  let lost = 0;
  let records = 0;
  const expected = artifactsOf(storeRoot, undisturbed);
  const found = artifactsOf(storeRoot, disturbed);
  for (const [uri, artifact] of expected) {
    const other = found.get(uri);
    records += artifact.lines.length;
    if (other === undefined) {
      lost += Math.max(1, artifact.lines.length);
      differences.push(`${uri} is missing`);
      continue;
    }
    if (other.damaged) differences.push(`${uri} is not what its manifest says`);
    const missing = minus(artifact.ids, other.ids);
    const twice = other.ids.filter((id, index) => other.ids.indexOf(id) !== index);
    lost += missing.length + twice.length;
    if (missing.length > 0) differences.push(`${uri} lacks ${missing.length} records, such as ${missing[0]}`);
    if (twice.length > 0) differences.push(`${uri} has ${twice.length} records twice, such as ${twice[0]}`);
    const more = minus(other.ids, artifact.ids);
    if (more.length > 0) differences.push(`${uri} has ${more.length} more records, such as ${more[0]}`);
    const changed = minus(other.lines, artifact.lines);
    if (changed.length > more.length)
      differences.push(`${uri} has ${changed.length - more.length} other records, such as ${changed[0]}`);
  }
  for (const uri of minus([...found.keys()], [...expected.keys()]))
    differences.push(`${uri} is one too many`);
  const [wanted, made] = [resultOf(storeRoot, undisturbed), resultOf(storeRoot, disturbed)];
  const undone = wanted.iterations.length - made.iterations.length;
  if (undone > 0) {
    lost += undone;
    differences.push(`${undone} iterations are missing`);
  }
  if (JSON.stringify(wanted) !== JSON.stringify(made))
    differences.push(`the result is ${JSON.stringify(made)}, not ${JSON.stringify(wanted)}`);
  return { lost, differences, artifacts: expected.size, records };
}

interface Artifact {
  readonly lines: readonly string[];
  readonly ids: readonly string[];
  /** The records are not those that the manifest names. */
  readonly damaged: boolean;
}

/** By uri below the run's folder. The configuration names its run, so it differs by right. */
function artifactsOf(storeRoot: string, runName: string): Map<string, Artifact> {
  const folder = join(storeRoot, runName);
  const manifests = globSync('**/manifest.json', { cwd: folder })
    .filter((path) => !path.startsWith('configurations') && !path.includes('.draft-'))
    .sort();
  return new Map(
    manifests.map((path) => {
      const uri = dirname(path);
      const { sha256 } = JSON.parse(readFileSync(join(folder, path), 'utf8')) as Manifest;
      const text = readFileSync(join(folder, uri, 'records.jsonl'), 'utf8');
      const lines = text
        .split('\n')
        .filter((line) => line !== '')
        // References carry the run's name.
        .map((line) => line.replaceAll(`"${runName}/`, '"{run}/'));
      const ids = lines.map((line) => {
        const { id, uri: reference } = JSON.parse(line) as { id?: string; uri?: string };
        return id ?? reference ?? line;
      });
      return [uri, { lines, ids, damaged: createHash('sha256').update(text).digest('hex') !== sha256 }];
    }),
  );
}

/** What a run comes to, without times, token counts and places: weights, figures, the choice. */
function resultOf(storeRoot: string, runName: string) {
  const result = JSON.parse(readFileSync(join(storeRoot, runName, 'result.json'), 'utf8')) as RunResult;
  return {
    best: result.best,
    stoppedEarly: result.stoppedEarly,
    iterations: result.iterations.map(({ iteration, model, evaluations, trainingExamples, training }) => ({
      iteration,
      weights: model.sha256,
      steps: stepsOf(storeRoot, runName, iteration),
      meanLoss: training?.meanLoss,
      trainingExamples,
      evaluations: evaluations.map(({ scores: { sha256 }, ...figures }) => ({ ...figures, sha256 })),
    })),
  };
}

function stepsOf(storeRoot: string, runName: string, iteration: number): number | undefined {
  if (iteration === 0) return undefined;
  const file = join(storeRoot, runName, `iteration-${iteration}`, 'training', RESULT_FILE);
  return resultSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).steps;
}

function minus<T>(all: readonly T[], taken: readonly T[]): T[] {
  const set = new Set(taken);
  return all.filter((item) => !set.has(item));
}
