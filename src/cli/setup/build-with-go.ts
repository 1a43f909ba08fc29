import { join } from 'node:path';
import { requireDiskSpace } from './cache-folder.ts';
import { runCommand, withProgressLog, tryRunCommand } from './run-command.ts';
import { SetupError } from '../../platform/setup-error.ts';

/** A program built from a Go module of this package, whose go.sum pins every hash. */
export interface GoProgram {
  /** For messages, such as `the Temporal CLI 1.5.1`. */
  readonly name: string;
  /** The folder of the go.mod. */
  readonly module: string;
  /** The import path of the program. */
  readonly command: string;
  /** Linker flags in addition to those that omit the symbols. */
  readonly ldflags?: string;
  /** Disk space for its Go caches, in gigabytes (10^9 bytes). */
  readonly gigabytes: number;
  /** The error message on a machine without Go. */
  readonly withoutGo: string;
}

/**
 * Builds a program in the folder `work` and returns its path. The Go caches, some gigabytes, are created there too; the
 * caller deletes them.
 * @throws SetupError if there is no Go or too little disk space
 */
export async function buildWithGo(program: GoProgram, work: string, signal: AbortSignal): Promise<string> {
  const { name, module, command, ldflags = '', gigabytes, withoutGo } = program;
  const go = await findGo(withoutGo);
  requireDiskSpace(work, gigabytes, `Building ${name} (Go caches, deleted afterwards)`);
  const output = join(work, 'program');
  await withProgressLog(`Building ${name} with Go`, () =>
    runCommand(go, ['build', '-trimpath', '-ldflags', `-s -w ${ldflags}`.trim(), '-o', output, command], {
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
    if ((await tryRunCommand(go, ['version'])) !== undefined) return go;
  }
  throw new SetupError(withoutGo);
}
