import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Tracker } from '../config/fine-tuning.ts';
import { trainerArguments, trainerEnvironment, type TrainerCommand } from './trainer-command.ts';

const reportSchema = z.object({
  ok: z.boolean(),
  device: z.string().nullable(),
  problems: z.array(z.string()),
});

export interface TrainerCheck extends TrainerCommand {
  /** A folder or a model hub's id; undefined leaves it unchecked. */
  readonly baseCheckpoint: string | undefined;
  readonly trustRemoteCode: boolean;
  readonly reportTo: readonly Tracker[];
  readonly signal?: AbortSignal;
}

/** How long this process believes a check that was passed, in milliseconds. */
const BELIEVED = 600_000;
const passed = new Map<string, { readonly device: string; readonly until: number }>();

/**
 * Checks on this machine that a training could start: the command's placeholders, the Python packages, the
 * trackers, and the base checkpoint's configuration and tokenizer. Takes as long as importing them, about 4 s; one that was
 * passed is believed for ten minutes, as long as the base checkpoint stays as it is.
 * @returns the device that it would train on, such as `1 x NVIDIA H200`.
 * @throws Error naming every problem.
 */
export async function checkTrainer(check: TrainerCheck): Promise<string> {
  const { python, packageRoot, baseCheckpoint, trustRemoteCode, reportTo, signal } = check;
  trainerArguments(check, 'job.json');
  const options = [
    ...(baseCheckpoint === undefined ? [] : ['--base-checkpoint', baseCheckpoint]),
    ...(trustRemoteCode ? ['--trust-remote-code'] : []),
    ...(reportTo.length === 0 ? [] : ['--report-to', ...reportTo]),
  ];
  const env = trainerEnvironment(check);
  const key = JSON.stringify([python, options, env, await stampsOf(baseCheckpoint)]);
  const earlier = passed.get(key);
  if (earlier !== undefined && performance.now() < earlier.until) return earlier.device;
  const { error, stdout, stderr } = await run(python, ['-m', 'trainer', '--check', ...options], {
    cwd: packageRoot,
    env,
    ...(signal === undefined ? {} : { signal }),
  });
  const lastLine = stdout.trimEnd().split('\n').at(-1) ?? '';
  const report = reportSchema.safeParse(parseJson(lastLine));
  if (!report.success) {
    const said = stderr.trimEnd().split('\n').at(-1) ?? '';
    throw new Error(
      `${python} -m trainer --check in ${packageRoot} failed: ${said || (error?.message ?? 'no report')}`,
    );
  }
  if (!report.data.ok) throw new Error(report.data.problems.join('; '));
  const device = report.data.device ?? 'unknown device';
  passed.set(key, { device, until: performance.now() + BELIEVED });
  return device;
}

/** Size and time of each file of a folder; empty for a hub's id. */
async function stampsOf(checkpoint: string | undefined): Promise<string[]> {
  if (checkpoint === undefined || !existsSync(checkpoint)) return [];
  const names = (await readdir(checkpoint)).sort();
  return Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(checkpoint, name));
      return `${name} ${size} ${mtimeMs}`;
    }),
  );
}

interface Outcome {
  readonly error: Error | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(
  program: string,
  programArguments: string[],
  options: { cwd: string; env: Record<string, string>; signal?: AbortSignal },
): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(program, programArguments, options, (error, stdout, stderr) =>
      resolve({ error, stdout, stderr }),
    );
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
