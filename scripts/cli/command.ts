import type { Argv, InferredOptionTypes, Options, PositionalOptions } from 'yargs';
import { CommandError } from './command-error.ts';
import type { Ending } from './exit-codes.ts';

type Positional = PositionalOptions & {
  readonly describe: string;
  /** What the shell completes it with: `runs`, the names of the runs in the store. Files by default. */
  readonly completes?: 'runs';
};
type CommandOption = Options & {
  readonly describe: string;
  /** The environment variable that says it where the option isn't given, before the default; for texts alone. */
  readonly variable?: string;
};
type Positionals = Readonly<Record<string, Positional>>;
type CommandOptions = Readonly<Record<string, CommandOption>>;

/** A command as it is written: what `--help` and docs/cli.md show of it, and what it does. */
export interface CommandDefinition<P extends Positionals, O extends CommandOptions> {
  /** Name and positionals as yargs reads them: `show <run>`, `judge <files..>`. */
  readonly usage: string;
  /** One sentence, shown in the list of the commands. */
  readonly summary: string;
  /** More than that, for `--help` and docs/cli.md: a paragraph. */
  readonly details?: string;
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
  readonly name: string;
  /** Tells yargs of the command; `ended` hears how it ended. */
  addTo(argv: Argv, ended: (ending: Ending) => void): Argv;
}

/** Every command is made by this: it has help with an example, and `--json`. */
export function defineCommand<const P extends Positionals = {}, const O extends CommandOptions = {}>(
  definition: CommandDefinition<P, O>,
): Command {
  const { usage, summary, details, json, positionals = {}, options = {}, examples, run } = definition;
  const build = (argv: Argv): Argv => {
    argv.usage(`$0 ${usage}\n\n${details === undefined ? summary : `${summary}\n\n${details}`}`);
    for (const [name, { completes: _, ...positional }] of Object.entries<Positional>(positionals))
      argv.positional(name, positional);
    for (const [name, option] of Object.entries<CommandOption>(options)) argv.option(name, asYargs(option));
    argv.option('json', { type: 'boolean', default: false, describe: `Print ${json}.` });
    for (const [line, does] of examples) argv.example(line, does);
    return argv.version(false);
  };
  return {
    ...definition,
    name: usage.split(' ')[0] as string,
    addTo: (argv, ended) =>
      argv.command(usage, summary, build, async (given) => {
        const args = withVariables(options, given, process.env);
        requireSingle(options, args);
        requireNumbers({ ...positionals, ...options }, args);
        ended((await run(args as unknown as Arguments<P, O>)) ?? 'done');
      }),
  };
}

function asYargs({ variable, default: standard, ...option }: CommandOption): Options {
  const requiresArg = option.type !== 'boolean' && option.type !== 'count';
  const shown = {
    ...option,
    requiresArg,
    ...(typeof standard === 'string' ? { defaultDescription: standard } : {}),
  };
  if (variable !== undefined) return { ...shown, describe: `${option.describe} [${variable}]` };
  return standard === undefined ? shown : { ...shown, default: standard as unknown };
}

/** The values of the options: what was given, else what its environment variable says, else the default. An empty variable says nothing. */
export function withVariables(
  options: CommandOptions,
  given: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
): Record<string, unknown> {
  const args = { ...given };
  for (const [name, { variable, default: standard }] of Object.entries(options))
    if (variable !== undefined) args[name] ??= environment[variable] || standard;
  return args;
}

/** yargs makes a list of an option that is given twice. */
function requireSingle(options: CommandOptions, args: Readonly<Record<string, unknown>>): void {
  for (const [name, { type, array }] of Object.entries(options))
    if (Array.isArray(args[name]) && type !== 'array' && array !== true)
      throw new CommandError('usage', `--${name} is given ${args[name].length} times, and takes one value.`);
}

function requireNumbers(
  values: Readonly<Record<string, { readonly type?: unknown }>>,
  args: Readonly<Record<string, unknown>>,
): void {
  for (const [name, { type }] of Object.entries(values))
    if (type === 'number' && Number.isNaN(args[name]))
      throw new CommandError('usage', `${name} must be a number.`);
}
