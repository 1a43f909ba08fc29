import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The TCP ports on which a process listens. Linux only. */
export function listeners(pid: number | undefined): { port: number; isLoopback: boolean }[] {
  const descriptors = readdirSync(`/proc/${pid}/fd`).map((name) => targetOf(`/proc/${pid}/fd/${name}`));
  const tables = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8'));
  return tables.flatMap((table) =>
    table.split('\n').flatMap((line) => {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state !== '0A' || !descriptors.includes(`socket:[${inode}]`)) return [];
      const [address, port = ''] = local.split(':');
      return [{ port: Number.parseInt(port, 16), isLoopback: address === '0100007F' }];
    }),
  );
}

/** Undefined if the process has closed the descriptor since it was listed. */
function targetOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(descriptor);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
