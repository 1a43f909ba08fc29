import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Manifest } from '../../src/store/artifact.ts';
import { fileKey, RECORDS_FILE } from '../../src/store/manifest.ts';
import type { RunResult } from '../../src/client/index.ts';
import { RESULT_FILE, resultSchema } from '../../src/models/training/job.ts';

export interface Comparison {
  /** Records, artifacts and iterations that the disturbed run lacks, and records that it has twice. */
  readonly lost: number;
  /** Descriptions of the differences; empty if the data are the same. */
  readonly differences: readonly string[];
  readonly artifacts: number;
  readonly records: number;
}

/** Compares every artifact of a disturbed run with that of an undisturbed run in the same store, record by record. */
export function compareRuns(storeRoot: string, undisturbed: string, disturbed: string): Comparison {
  const differences: string[] = [];
  let lost = 0;
  let records = 0;
  const expected = artifactsOf(storeRoot, undisturbed);
  const actual = artifactsOf(storeRoot, disturbed);
  for (const [uri, artifact] of expected) {
    const other = actual.get(uri);
    records += artifact.lines.length;
    if (other === undefined) {
      lost += Math.max(1, artifact.lines.length);
      differences.push(`${uri} is missing`);
      continue;
    }
    if (other.damaged) differences.push(`${uri} does not match its manifest`);
    const missing = itemsNotIn(artifact.ids, other.ids);
    const twice = other.ids.filter((id, index) => other.ids.indexOf(id) !== index);
    lost += missing.length + twice.length;
    if (missing.length > 0) differences.push(`${uri} lacks ${missing.length} records, such as ${missing[0]}`);
    if (twice.length > 0) differences.push(`${uri} has ${twice.length} records twice, such as ${twice[0]}`);
    const more = itemsNotIn(other.ids, artifact.ids);
    if (more.length > 0) differences.push(`${uri} has ${more.length} more records, such as ${more[0]}`);
    const changed = itemsNotIn(other.lines, artifact.lines);
    if (changed.length > more.length)
      differences.push(`${uri} has ${changed.length - more.length} other records, such as ${changed[0]}`);
  }
  for (const uri of itemsNotIn([...actual.keys()], [...expected.keys()]))
    differences.push(`${uri} is unexpected`);
  const [wanted, result] = [resultOf(storeRoot, undisturbed), resultOf(storeRoot, disturbed)];
  const missingIterations = wanted.iterations.length - result.iterations.length;
  if (missingIterations > 0) {
    lost += missingIterations;
    differences.push(`${missingIterations} iterations are missing`);
  }
  if (JSON.stringify(wanted) !== JSON.stringify(result))
    differences.push(`the result is ${JSON.stringify(result)}, not ${JSON.stringify(wanted)}`);
  return { lost, differences, artifacts: expected.size, records };
}

interface Artifact {
  readonly lines: readonly string[];
  readonly ids: readonly string[];
  /** Whether the hash of the records differs from that of the manifest. */
  readonly damaged: boolean;
}

/** The artifacts by their uri in the run's folder, without the configuration, which contains the run's name. */
function artifactsOf(storeRoot: string, runName: string): Map<string, Artifact> {
  const folder = join(storeRoot, runName);
  const manifests = globSync('**/manifest.json', { cwd: folder })
    .filter((path) => !path.startsWith('configurations') && !path.includes('.tmp-'))
    .sort();
  return new Map(
    manifests.map((path) => {
      const uri = dirname(path);
      const manifest = JSON.parse(readFileSync(join(folder, path), 'utf8')) as Manifest;
      const text = readFileSync(join(storeRoot, fileKey(manifest, RECORDS_FILE)), 'utf8');
      const lines = text
        .split('\n')
        .filter((line) => line !== '')
        // References contain the run's name.
        .map((line) => line.replaceAll(`"${runName}/`, '"{run}/'));
      const ids = lines.map((line) => {
        const { id, uri: reference } = JSON.parse(line) as { id?: string; uri?: string };
        return id ?? reference ?? line;
      });
      return [
        uri,
        { lines, ids, damaged: createHash('sha256').update(text).digest('hex') !== manifest.sha256 },
      ];
    }),
  );
}

/** The parts of a run's result that must be the same: weights, figures and the best judge. */
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

function itemsNotIn<T>(items: readonly T[], others: readonly T[]): T[] {
  const set = new Set(others);
  return items.filter((item) => !set.has(item));
}
