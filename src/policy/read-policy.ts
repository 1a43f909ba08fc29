import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { SettingError } from '../platform/setting-error.ts';
import { policySchema, type Policy } from './policy-schema.ts';

/** The values of the option that turn the policy off, or on without a file. */
const OPEN = 'open';
const STRICT = 'strict';

/** The policy that is given to a worker: `open`, `strict` or a file; undefined if none is. */
export type GivenPolicy = Policy | undefined;

/**
 * Reads the policy that the option names.
 * @throws SettingError with every field of the file that is wrong
 */
export function readPolicy(option: string): GivenPolicy {
  if (option === '') return undefined;
  if (option === OPEN)
    return {
      rules: undefined,
      description: 'open, by --policy: a configuration may do everything that this user may',
    };
  if (option === STRICT) return strictPolicy();
  const file = resolve(option);
  const { success, data, error } = policySchema.safeParse(readJson(file));
  if (success) return { rules: data, description: `strict, with what ${file} names` };
  const problems = error.issues.map(({ path, message }) => `  ${path.join('.') || 'the file'}: ${message}`);
  throw new SettingError(`The policy ${file} is not valid (docs/security.md):\n${problems.join('\n')}`);
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingError(`--policy names ${file}, which can't be read as JSON: ${reason}`);
  }
}

/** Chooses the policy of a worker: the given one, or open with a server that nobody else starts runs at, or else the strict one. */
export function choosePolicy(given: GivenPolicy, isOwnServer: boolean): Policy {
  if (given !== undefined) return given;
  if (isOwnServer)
    return {
      rules: undefined,
      // Also true of `doctor` before there is a server.
      description:
        'open at the Temporal server that this checkout starts: only users of this machine reach it',
    };
  return strictPolicy();
}

function strictPolicy(): Policy {
  return {
    rules: policySchema.parse({}),
    description:
      "strict, with what every worker allows: this package's own trainer and server, and files in its own folders (--policy FILE allows more)",
  };
}
