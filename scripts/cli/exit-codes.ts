/** Why a command ended, and the exit code that says so. */
export const EXIT_CODES = {
  done: 0,
  failed: 1,
  usage: 2,
  'not-found': 3,
  unreachable: 4,
  interrupted: 130,
} as const;

export type Ending = keyof typeof EXIT_CODES;

/** What each ending means, for docs/cli.md. */
export const ENDING_MEANINGS: Readonly<Record<Ending, string>> = {
  done: 'What was asked for is done; a worker or a server was stopped.',
  failed:
    'What was asked for went wrong: the run failed or refuses, the doctor found something missing, or this program has a fault.',
  usage:
    "An unknown command or option, a file that can't be read, a configuration with mistakes or under a name that is taken: nothing was done.",
  'not-found': 'No run, checkpoint or artifact has this name.',
  unreachable: "Temporal, a worker or an endpoint doesn't answer, or doesn't accept who asks.",
  interrupted: 'Ctrl-C; what was begun goes on, or goes on with the same command.',
};
