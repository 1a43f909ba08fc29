import { readdirSync } from 'node:fs';
import { commandOutput, linuxStatFields } from './process-identity.ts';

/** Clock ticks of a second in /proc/PID/stat: 100 on all common builds of Linux. */
const TICKS_PER_SECOND = 100;

export interface GroupActivity {
  /** CPU time of its processes since they were started, in seconds; those that have ended don't count. */
  readonly cpuSeconds: number;
  /** Whether one of them was stopped, such as by SIGSTOP or a debugger. */
  readonly isStopped: boolean;
}

/** What the processes of a group have done. */
export function groupActivity(group: number): GroupActivity {
  const processes = process.platform === 'linux' ? linuxProcesses(group) : posixProcesses(group);
  return {
    cpuSeconds: processes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    isStopped: processes.some(({ state }) => /^[Tt]/.test(state)),
  };
}

interface ProcessActivity {
  readonly state: string;
  readonly cpuSeconds: number;
}

function linuxProcesses(group: number): ProcessActivity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const fields = linuxStatFields(name);
      if (fields?.[2] !== String(group)) return [];
      const ticks = Number(fields[11]) + Number(fields[12]);
      return [{ state: fields[0] ?? '', cpuSeconds: ticks / TICKS_PER_SECOND }];
    });
}

function posixProcesses(group: number): ProcessActivity[] {
  return (commandOutput('ps', ['-A', '-o', 'pgid=,stat=,time=']) ?? '')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([pgid]) => pgid === String(group))
    .map(([, state = '', time = '']) => ({ state, cpuSeconds: secondsOf(time) }));
}

/** The seconds of `[[days-]hours:]minutes:seconds`. */
function secondsOf(time: string): number {
  const [clock = '', days = '0'] = time.split('-').toReversed();
  return clock
    .split(':')
    .reduce(
      (sum, part) => 60 * sum + Number(part),
      24 * Number(days) * (clock.split(':').length > 2 ? 1 : 0),
    );
}
