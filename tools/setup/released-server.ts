import { join } from 'node:path';
import { findBuiltPrograms } from './built-programs.ts';

/** The release that temporal/released-server/go.mod builds. */
export const RELEASED_SERVER_VERSION = '1.31.2';

/** Paths of the programs of a release. */
export interface ReleasedServer {
  readonly server: string;
  /** Creates the server's tables in a PostgreSQL database. */
  readonly sqlTool: string;
}

/**
 * A Temporal server for tests that need a newer one than the development server of the pinned CLI, or several on one
 * database: the cached one, or one built from source if `TEST_RELEASED_SERVER=1` is set. Undefined otherwise.
 */
export function findReleasedServer(): Promise<ReleasedServer | undefined> {
  return findBuiltPrograms(
    {
      folder: `temporal-server-${RELEASED_SERVER_VERSION}`,
      module: join(import.meta.dirname, '..', '..', 'temporal', 'released-server'),
      commands: {
        server: 'go.temporal.io/server/cmd/server',
        sqlTool: 'go.temporal.io/server/cmd/tools/sql',
      },
      gigabytes: 6,
    },
    process.env.TEST_RELEASED_SERVER === '1',
  );
}
