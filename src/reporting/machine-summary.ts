import type { MachineTimes } from '../api/progress.ts';

/** More reasons are counted together. */
const MAX_REASONS = 6;

interface MachineSummary extends MachineTimes {
  /** The time from the moment the run first needed the machine. */
  readonly seconds: number;
  readonly idleSeconds: number;
}

/** Summarizes the time of a machine for people: reasons of less than a second are left out, and rare ones taken together. */
export function summarizeMachine({ machine, busySeconds, idle }: MachineTimes): MachineSummary {
  const sum = (parts: MachineTimes['idle']) => parts.reduce((total, { seconds }) => total + seconds, 0);
  const idleSeconds = sum(idle);
  const long = idle.filter((part) => part.seconds >= 1);
  const rest = sum(long.slice(MAX_REASONS));
  return {
    ...{ machine, busySeconds, idleSeconds, seconds: busySeconds + idleSeconds },
    idle: [
      ...long.slice(0, MAX_REASONS),
      ...(rest === 0 ? [] : [{ reason: 'other reasons', seconds: rest }]),
    ],
  };
}
