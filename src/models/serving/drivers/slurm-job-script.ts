import { join } from 'node:path';
import { findSlurmPort, shellWord } from '../../../platform/slurm.ts';

/** Stand for the host and the port of a server in its command; the job knows them. No argument contains them by chance. */
export const NODE_HOST = '@node-host@';
export const NODE_PORT = '@node-port@';

/** The file in a job's folder whose content the relay changes as long as it lives. */
export const RELAY_SIGN = 'relay';
/** The file in which a job tells where its server listens. */
export const ADDRESS = 'address';

/** How often a job looks for the relay's sign, and how often in a row it may be unchanged. */
const LOOK_SECONDS = 2;
const MAX_UNCHANGED_LOOKS = 30;

/**
 * The batch script of a job that serves a model. It ends itself when its relay gives no sign of life any more: a relay that is
 * killed, or whose machine is lost, can't cancel it.
 * @param folder the job's own; nodes and relay see it under the same path
 * @param working the folder in which the command runs
 */
export function slurmJobScript(folder: string, working: string, command: readonly string[]): string {
  const words = command.map((argument) =>
    shellWord(argument).replaceAll(NODE_HOST, `'"$host"'`).replaceAll(NODE_PORT, `'"$port"'`),
  );
  return [
    '#!/bin/bash',
    `cd ${shellWord(working)} || exit 78`,
    'host=$(scontrol show node "$SLURMD_NODENAME" --oneliner | grep -o "NodeAddr=[^ ]*")',
    'host=${host#NodeAddr=}',
    ...findSlurmPort('"$host" 127.0.0.1'),
    `${words.join(' ')} &`,
    'server=$!',
    `trap 'kill "$server"' TERM`,
    `printf '{"job":"%s","host":"%s","port":%d}' "$SLURM_JOB_ID" "$host" "$port" > ${shellWord(join(folder, `${ADDRESS}.tmp`))}`,
    `mv ${shellWord(join(folder, `${ADDRESS}.tmp`))} ${shellWord(join(folder, ADDRESS))}`,
    'unchanged=0',
    'while kill -0 "$server" 2> /dev/null; do',
    `  sign=$(cat ${shellWord(join(folder, RELAY_SIGN))} 2> /dev/null)`,
    '  if [ "$sign" = "$seen" ]; then unchanged=$((unchanged + 1)); else unchanged=0; fi',
    '  seen=$sign',
    `  if [ "$unchanged" -gt ${MAX_UNCHANGED_LOOKS} ]; then`,
    '    echo "The worker that this server belongs to gives no sign of life: it ends."',
    '    kill "$server"',
    '    break',
    '  fi',
    `  sleep ${LOOK_SECONDS} &`,
    '  wait $!',
    'done',
    'wait "$server"',
    '',
  ].join('\n');
}
