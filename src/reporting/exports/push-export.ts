import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArtifactDamaged, MADE_AGAIN } from '../../store/errors.ts';
import { withStorageErrors } from '../../platform/file-system.ts';
import { runUris } from '../../runs/run-layout.ts';
import { fileSha256 } from '../../platform/file-hashes.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import { checkPush } from '../hub/check-push.ts';
import { pushFiles, type PushedFile, type PushTarget } from '../hub/push-files.ts';
import type { ExportPlan } from './export-plan.ts';
import { PARQUET_FILE } from '../training-row-formats.ts';
import { CARD_FILE } from '../training-row-formats.ts';

export interface PushedExport {
  readonly type: 'model' | 'dataset';
  readonly name: string;
  readonly commit: string;
}

/**
 * Pushes an export to the hub: the training sets as a data set, and the judge as a model of the same name. Files that the
 * hub has already are not sent again.
 *
 * @param scratch an empty folder for temporary files
 * @throws InvalidInput if the hub rejects a request; ArtifactDamaged if a file differs from its recorded hash
 */
export async function pushExport(
  store: ArtifactStore,
  plan: ExportPlan,
  target: Omit<PushTarget, 'repository'> & { readonly name: string },
  scratch: string,
  signal: AbortSignal,
): Promise<PushedExport[]> {
  const { name, ...hub } = target;
  const parts = (
    [
      { type: 'dataset', folder: 'datasets/', uri: runUris.datasetFolder(plan.runName) },
      { type: 'model', folder: 'model/', uri: `${runUris.training(plan.runName, plan.iteration)}/model` },
    ] as const
  ).filter(({ folder }) => plan.files.some(({ path }) => path.startsWith(folder)));
  for (const { type } of parts) await checkPush({ ...hub, repository: { type, name } });
  const pushed: PushedExport[] = [];
  for (const { type, folder, uri } of parts) {
    const message = `${plan.runName}: M_${plan.iteration}`;
    const commit = await store.withLocalFolder(uri, async ({ path }) => {
      const localFile = (key: string) => join(path, key.slice(uri.length + 1));
      const files = await filesIn(plan, folder, join(scratch, type), localFile);
      return pushFiles({ ...hub, repository: { type, name } }, files, { message, signal });
    });
    pushed.push({ type, name, commit });
  }
  return pushed;
}

/** The files of one part, verified by their hashes. JSONL files are left out, because Parquet files have the same rows. */
async function filesIn(
  plan: ExportPlan,
  folder: string,
  scratch: string,
  localFile: (key: string) => string,
): Promise<PushedFile[]> {
  const files: PushedFile[] = [];
  for (const each of plan.files) {
    if (!each.path.startsWith(folder)) continue;
    const path = each.path.slice(folder.length);
    if (folder === 'datasets/' && path !== CARD_FILE && !path.endsWith(PARQUET_FILE)) continue;
    if ('text' in each) {
      const file = join(scratch, path);
      await withStorageErrors(file, async () => {
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, each.text);
      });
      files.push({ path, file });
      continue;
    }
    const file = localFile(each.key);
    const found = await fileSha256(file);
    if (found !== each.sha256)
      throw new ArtifactDamaged(
        `${file} has sha256 ${found}, expected ${each.sha256}: it is damaged, and nothing was pushed. ${MADE_AGAIN}`,
      );
    files.push({ path, file });
  }
  return files;
}
