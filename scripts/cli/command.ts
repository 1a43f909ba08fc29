import type { Argv, InferredOptionTypes, Options, PositionalOptions } from 'yargs';
import type { Ending } from './exit-codes.ts';

type Positionals = Readonly<Record<string, PositionalOptions & { readonly describe: string }>>;
type CommandOptions = Readonly<Record<string, Options & { readonly describe: string }>>;

/** A command as it is written: what `--help` and docs/cli.md show of it, and what it does. */
export interface CommandDefinition<P extends Positionals, O extends CommandOptions> {
  /** Name and positionals as yargs reads them: `show <run>`, `judge <files..>`. */
  readonly usage: string;
  /** One sentence, shown in the list of the commands. */
  readonly summary: string;
  /** What `--json` prints: one document, or a line for each of what. */
  readonly json: string;
  readonly positionals?: P;
  readonly options?: O;
  /** At least one: the command line, and what it does. */
  readonly examples: readonly [Example, ...Example[]];
  /**
   * Does it. What it needs beside Node is imported in here: `--help` and a wrong option are answered at once.
   * @returns how it ended where that isn't `done`
   * @throws CommandError with a paragraph for the user
   */
  readonly run: (args: Arguments<P, O>) => Promise<Ending | void>;
}

type Example = readonly [commandLine: string, does: string];

/** `json`: standard output is for a program; what a person reads goes to standard error. */
export type Arguments<P extends Positionals, O extends CommandOptions> = InferredOptionTypes<P> &
  InferredOptionTypes<O> & { readonly json: boolean };

/** A command as the command line and docs/cli.md take it. */
export interface Command extends Omit<CommandDefinition<Positionals, CommandOptions>, 'run'> {
  /** Tells yargs of the command; `ended` hears how it ended. */
  addTo(argv: Argv, ended: (ending: Ending) => void): Argv;
}

/** Every command is made by this: it has help with an example, and `--json`. */
export function defineCommand<const P extends Positionals = {}, const O extends CommandOptions = {}>(
  definition: CommandDefinition<P, O>,
): Command {
  const { usage, summary, json, positionals, options, examples, run } = definition;
  const build = (argv: Argv): Argv => {
    for (const [name, positional] of Object.entries(positionals ?? {})) argv.positional(name, positional);
    argv.options({ ...options, json: { type: 'boolean', default: false, describe: `Print ${json}.` } });
    for (const [line, does] of examples) argv.example(line, does);
    return argv;
  };
  return {
    ...definition,
    addTo: (argv, ended) =>
      argv.command(usage, summary, build, async (args) => {
        ended((await run(args as unknown as Arguments<P, O>)) ?? 'done');
      }),
  };
}
