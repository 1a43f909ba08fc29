/** The exit code of each reason for which a command ends. */
export const EXIT_CODES = {
  done: 0,
  failed: 1,
  usage: 2,
  'not-found': 3,
  unreachable: 4,
  interrupted: 130,
} as const;

export type ExitReason = keyof typeof EXIT_CODES;

/** The meaning of each exit reason, for docs/cli.md. */
export const EXIT_REASON_MEANINGS: Readonly<Record<ExitReason, string>> = {
  done: 'The command succeeded, or the worker or server was stopped.',
  failed:
    'The command failed: the run failed or rejected the request, the doctor found something missing, or this program has a fault.',
  usage:
    "An unknown command or option, a file that can't be read, an invalid configuration, or a run name that is taken. Nothing was done.",
  'not-found': 'There is no run, checkpoint or artifact with this name.',
  unreachable: "Temporal, a worker or an endpoint doesn't answer, or rejects the credentials.",
  interrupted:
    'Stopped by Ctrl-C. A run continues on its workers; other work continues when the same command is run again.',
};
