/** Why a command ended, and the exit code that says so. */
export const EXIT_CODES = {
  done: 0,
  /** What was asked for went wrong: the run failed, the doctor found something missing, or this program has a fault. */
  failed: 1,
  /** An unknown command or option, a file that can't be read, a configuration with mistakes: nothing was done. */
  usage: 2,
  /** No run, checkpoint or artifact has this name. */
  'not-found': 3,
  /** Temporal or an endpoint doesn't answer, or doesn't accept who asks. */
  unreachable: 4,
  /** Ctrl-C or a signal; what was begun goes on, or goes on with the same command. */
  interrupted: 130,
} as const;

export type Ending = keyof typeof EXIT_CODES;
