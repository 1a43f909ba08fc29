/**
 * The file that takes what a start prints. A trainer whose files are in a bucket uploads its log itself as soon as it can; what
 * comes before, such as the name of a missing package, is in a file of the machine that has started it.
 */
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../platform/cache-folder.ts';
import { makeFolders, readTextIfExists, withStorageErrors } from '../../platform/file-system.ts';
import { appendText } from '../../store/objects/append-text.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import type { TrainerMachine } from './launchers/launcher.ts';
import { LOG_FILE, startPrefix } from './trainer-starts.ts';

type Machine = Pick<TrainerMachine, 'environment'>;

/** The file for what a start prints; its folder exists. */
export async function startLogFile(training: ObjectStore, machine: Machine, token: string): Promise<string> {
  if (!training.isRemote) return training.locate(LOG_FILE);
  const file = localFile(machine, token);
  await withStorageErrors(file, () => makeFolders(dirname(file)));
  return file;
}

/**
 * Adds what an ended start has printed into a file of this machine to the log of its training, except what its trainer has
 * uploaded: a trainer that was killed did not upload its last lines.
 */
export async function moveStartLog(training: ObjectStore, machine: Machine, token: string): Promise<void> {
  if (!training.isRemote) return;
  const file = localFile(machine, token);
  const printed = await readTextIfExists(file);
  if (printed === undefined) return;
  const rest = (await hasUploaded(training, token)) ? await afterUploaded(training, printed) : printed;
  if (rest !== '') await appendText(training, LOG_FILE, rest);
  await rm(file, { force: true });
}

/** Whether the log was written since a start was claimed, by the times of the store. */
async function hasUploaded(training: ObjectStore, token: string): Promise<boolean> {
  const [log, claimed] = [
    await training.head(LOG_FILE),
    await training.head(`${startPrefix(token)}/job.json`),
  ];
  return log !== undefined && claimed !== undefined && log.modifiedAt > claimed.modifiedAt;
}

/** Enough of the end of a log to recognise it. */
const COMPARED_BYTES = 500;

/** The part of what was printed that comes after the end of the log; all of it if the log has none of it. */
async function afterUploaded(training: ObjectStore, printed: string): Promise<string> {
  const uploaded = (await training.tail(LOG_FILE, COMPARED_BYTES))?.toString('utf8') ?? '';
  // The first line may be incomplete.
  const end = uploaded.length < COMPARED_BYTES ? uploaded : uploaded.slice(uploaded.indexOf('\n') + 1);
  const at = end === '' ? -1 : printed.lastIndexOf(end);
  return at < 0 ? printed : printed.slice(at + end.length);
}

function localFile({ environment }: Machine, token: string): string {
  return join(cacheFolder(environment, process.platform), 'trainer-logs', `${token}.log`);
}
