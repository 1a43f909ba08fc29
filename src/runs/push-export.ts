import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArtifactDamaged } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import { checkPush } from '../hub/check-push.ts';
import { pushFiles, type PushedFile, type PushTarget } from '../hub/push-files.ts';
import { CARD_FILE } from '../outputs/model-folder.ts';
import { PARQUET_FILE } from '../outputs/dataset-card.ts';
import type { ExportPlan } from './export-plan.ts';

export interface PushedExport {
  readonly type: 'model' | 'dataset';
  readonly name: string;
  readonly commit: string;
}

/**
 * Brings an export to the hub: the training sets as the data set, the judge as the model of one name. What stands there
 * already is not sent again.
 *
 * @param scratch an empty folder for what has to be written first
 * @throws InputProblem where the hub says no; ArtifactDamaged where a file is not what was recorded for it
 */
export async function pushExport(
  plan: ExportPlan,
  target: Omit<PushTarget, 'repository'> & { readonly name: string },
  scratch: string,
  signal: AbortSignal,
): Promise<PushedExport[]> {
  const { name, ...hub } = target;
  const parts = (
    [
      { type: 'dataset', folder: 'datasets/' },
      { type: 'model', folder: 'model/' },
    ] as const
  ).filter(({ folder }) => plan.files.some(({ path }) => path.startsWith(folder)));
  for (const { type } of parts) await checkPush({ ...hub, repository: { type, name } });
  const pushed: PushedExport[] = [];
  for (const { type, folder } of parts) {
    const files = await filesIn(plan, folder, join(scratch, type));
    const message = `${plan.runName}: M_${plan.iteration}`;
    const commit = await pushFiles({ ...hub, repository: { type, name } }, files, { message, signal });
    pushed.push({ type, name, commit });
  }
  return pushed;
}

/** The files of one part, checked. On the hub the rows as JSONL would only double those in Parquet. */
async function filesIn(plan: ExportPlan, folder: string, scratch: string): Promise<PushedFile[]> {
  const files: PushedFile[] = [];
  for (const each of plan.files) {
    if (!each.path.startsWith(folder)) continue;
    const path = each.path.slice(folder.length);
    if (folder === 'datasets/' && path !== CARD_FILE && !path.endsWith(PARQUET_FILE)) continue;
    if ('text' in each) {
      const file = join(scratch, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, each.text);
      files.push({ path, file });
      continue;
    }
    const found = await fileSha256(each.file);
    if (found !== each.sha256)
      throw new ArtifactDamaged(
        `${each.file} has sha256 ${found}, but ${each.sha256} was recorded for it: it is damaged, and nothing of it was pushed. ` +
          'Start the run again under its name: what is damaged is made again',
      );
    files.push({ path, file: each.file });
  }
  return files;
}
