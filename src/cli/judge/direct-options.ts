/** The options of the command `judge` for verdicts without reasoning. */
import type { JudgeFile } from '../../api/judge-file.ts';
import { type DirectJudging, resolveDirect } from '../../pair-judging/direct-verdict.ts';
import type { InputFiles } from '../../platform/input-files.ts';
import { readPrompt } from '../../runs/read-prompt.ts';
import { CommandError } from '../core/command-error.ts';

export interface DirectOptions {
  readonly direct: boolean;
  readonly threshold?: number | undefined;
  readonly directPrompt?: string | undefined;
}

/** The least probability of a direct verdict that counts, unless another is given. */
const DEFAULT_THRESHOLD = 0.9;
/** The prompt of the package for verdicts alone. */
const DIRECT_PROMPT = 'prompts/direct';

/** @throws CommandError */
export function requireDirectOptions({ direct, threshold, directPrompt }: DirectOptions): void {
  const unused =
    threshold !== undefined ? '--threshold' : directPrompt !== undefined ? '--direct-prompt' : '';
  if (!direct && unused !== '')
    throw new CommandError('usage', `${unused} only applies to direct verdicts: add --direct, or omit it.`);
  if (threshold !== undefined && !(threshold >= 0.5 && threshold <= 1))
    throw new CommandError(
      'usage',
      `--threshold is ${threshold}, but must be a probability from 0.5 to 1: below 0.5 the judge would name the other response.`,
    );
}

/** @throws CommandError if the prompt can't be read */
export async function directOf(
  files: InputFiles,
  judge: JudgeFile,
  { direct, threshold = DEFAULT_THRESHOLD, directPrompt }: DirectOptions,
): Promise<DirectJudging | undefined> {
  if (!direct) return undefined;
  const folder = directPrompt ?? (judge.direct === undefined ? DIRECT_PROMPT : undefined);
  if (folder === undefined) return resolveDirect(judge, { threshold });
  try {
    const prompt = await readPrompt(files, folder, ['instruction', 'responseA', 'responseB']);
    return resolveDirect(judge, { threshold, prompt });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError('usage', `--direct-prompt ${folder} can't be used: ${reason}`, { cause: error });
  }
}
