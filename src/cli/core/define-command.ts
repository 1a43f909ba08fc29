import type { Argv, InferredOptionTypes, Options, PositionalOptions } from 'yargs';
import { CommandError } from './command-error.ts';
import type { ExitReason } from './exit-codes.ts';

type Positional = PositionalOptions & {
  readonly describe: string;
  /** The values that the shell completes the argument with: `runs` are the names of the runs in the store; files by default. */
  readonly completes?: 'runs';
};
type CommandOption = Options & {
  readonly describe: string;
  /** The environment variable that is used if the option is not given. Only for options of the type string. */
  readonly variable?: string;
};
type Positionals = Readonly<Record<string, Positional>>;
type CommandOptions = Readonly<Record<string, CommandOption>>;

/** The definition of a command: its help, which `--help` and docs/cli.md show, and its implementation. */
export interface CommandDefinition<P extends Positionals, O extends CommandOptions> {
  /** Name and positionals as yargs reads them: `show <run>`, `judge <files..>`. */
  readonly usage: string;
  /** One sentence for the list of commands. */
  readonly summary: string;
  /** A paragraph that `--help` and docs/cli.md show after the summary. */
  readonly details?: string;
  /** The output of `--json`, as the end of a sentence that begins with "Print". */
  readonly json: string;
  readonly positionals?: P;
  readonly options?: O;
  /** Command lines, each with what it does. */
  readonly examples: readonly [Example, ...Example[]];
  /**
   * Runs the command. Large modules are imported inside, so that `--help` and usage errors answer at once.
   * @returns the exit reason; `done` if undefined
   * @throws CommandError with a message for the user
   */
  readonly run: (args: Arguments<P, O>) => Promise<ExitReason | void>;
}

type Example = readonly [commandLine: string, does: string];

/** With `json` standard output is for a program, and text for a person goes to standard error. */
export type Arguments<P extends Positionals, O extends CommandOptions> = InferredOptionTypes<P> &
  InferredOptionTypes<O> & { readonly json: boolean };

/** A command as the command line and docs/cli.md use it. */
export interface Command extends Omit<CommandDefinition<Positionals, CommandOptions>, 'run'> {
  readonly name: string;
  /** Adds the command to yargs; `onEnd` is called with its exit reason. */
  addTo(argv: Argv, onEnd: (reason: ExitReason) => void): Argv;
}

/** Defines a command, with help, examples and `--json`. */
export function defineCommand<const P extends Positionals = {}, const O extends CommandOptions = {}>(
  definition: CommandDefinition<P, O>,
): Command {
  const { usage, summary, details, json, positionals = {}, options = {}, examples, run } = definition;
  const build = (argv: Argv): Argv => {
    argv.usage(`$0 ${usage}\n\n${details === undefined ? summary : `${summary}\n\n${details}`}`);
    for (const [name, { completes: _, ...positional }] of Object.entries<Positional>(positionals))
      argv.positional(name, positional);
    for (const [name, option] of Object.entries<CommandOption>(options))
      argv.option(name, toYargsOption(option));
    argv.option('json', { type: 'boolean', default: false, describe: `Print ${json}.` });
    for (const [line, does] of examples) argv.example(line, does);
    return argv.version(false);
  };
  return {
    ...definition,
    name: usage.split(' ')[0] as string,
    addTo: (argv, onEnd) =>
      argv.command(usage, summary, build, async (parsed) => {
        const args = withEnvironmentVariables(options, parsed, process.env);
        requireSingle(options, args);
        requireNumbers(positionals, args);
        requireNumbers(options, args, '--');
        onEnd((await run(args as unknown as Arguments<P, O>)) ?? 'done');
      }),
  };
}

function toYargsOption({ variable, default: defaultValue, ...option }: CommandOption): Options {
  const requiresArg = option.type !== 'boolean' && option.type !== 'count';
  const shown = {
    ...option,
    requiresArg,
    ...(typeof defaultValue === 'string' ? { defaultDescription: defaultValue } : {}),
  };
  if (variable !== undefined) return { ...shown, describe: `${option.describe} [${variable}]` };
  return defaultValue === undefined ? shown : { ...shown, default: defaultValue as unknown };
}

/** The values of the options: from the command line, else from the environment variable unless it is empty, else the default. */
export function withEnvironmentVariables(
  options: CommandOptions,
  parsed: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
): Record<string, unknown> {
  const args = { ...parsed };
  for (const [name, { variable, default: defaultValue }] of Object.entries(options))
    if (variable !== undefined) args[name] ??= environment[variable] || defaultValue;
  return args;
}

/** Rejects an option that is given twice: yargs would return a list. */
function requireSingle(options: CommandOptions, args: Readonly<Record<string, unknown>>): void {
  for (const [name, { type, array }] of Object.entries(options))
    if (Array.isArray(args[name]) && type !== 'array' && array !== true)
      throw new CommandError('usage', `--${name} is given ${args[name].length} times, but takes one value.`);
}

function requireNumbers(
  values: Readonly<Record<string, { readonly type?: unknown }>>,
  args: Readonly<Record<string, unknown>>,
  prefix = '',
): void {
  for (const [name, { type }] of Object.entries(values))
    if (type === 'number' && Number.isNaN(args[name]))
      throw new CommandError('usage', `${prefix}${name} must be a number.`);
}
