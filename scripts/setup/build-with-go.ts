import { join } from 'node:path';
import { requireSpace } from './cache-folder.ts';
import { run, step, tryRun } from './install-step.ts';
import { SetupError } from './setup-error.ts';

/** A program that is built from a Go module of ours, whose go.sum pins every hash. */
export interface GoProgram {
  /** For people, such as `the Temporal CLI 1.5.1`. */
  readonly name: string;
  /** The folder of our go.mod. */
  readonly module: string;
  /** The import path of the program. */
  readonly command: string;
  /** Linker flags beside those that leave the symbols out. */
  readonly ldflags?: string;
  /** What its Go caches need, in gigabytes (10^9 bytes). */
  readonly gigabytes: number;
  /** What to do on a machine without Go. */
  readonly withoutGo: string;
}

/**
 * Builds a program into the folder `work`, and returns its path. Its Go caches are made there too, some gigabytes, for
 * the caller to delete.
 * @throws SetupError where there is no Go or too little space
 */
export async function buildWithGo(program: GoProgram, work: string, signal: AbortSignal): Promise<string> {
  const { name, module, command, ldflags = '', gigabytes, withoutGo } = program;
  const go = await findGo(withoutGo);
  requireSpace(work, gigabytes, `Building ${name} (Go caches, deleted afterwards)`);
  const output = join(work, 'program');
  await step(`Building ${name} with Go`, () =>
    run(go, ['build', '-trimpath', '-ldflags', `-s -w ${ldflags}`.trim(), '-o', output, command], {
      cwd: module,
      signal,
      env: {
        CGO_ENABLED: '0',
        GOCACHE: join(work, 'gocache'),
        GOMODCACHE: join(work, 'gomodcache'),
        GOTMPDIR: work,
        // Without this the module cache is read-only and cannot be deleted.
        GOFLAGS: `${process.env.GOFLAGS ?? ''} -modcacherw`.trim(),
      },
    }),
  );
  return output;
}

async function findGo(withoutGo: string): Promise<string> {
  for (const go of ['go', '/usr/local/go/bin/go']) {
    if ((await tryRun(go, ['version'])) !== undefined) return go;
  }
  throw new SetupError(withoutGo);
}
