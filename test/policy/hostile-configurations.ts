/** Configurations over the JSON Schemas with hostile strings, and traps that notice whether one of them works. */
import { chmod, mkdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';

/** A JSON Schema as far as those of the configurations use it. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly propertyNames?: Schema;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Generates values that are mostly valid by a schema, with strings from a list. */
export function bySchema(schema: Schema, traps: Pick<Traps, 'strings' | 'commands'>): fc.Arbitrary<unknown> {
  const { strings, commands } = traps;
  const { anyOf, oneOf, properties, items, pattern } = schema;
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const alternatives = anyOf ?? (properties === undefined ? oneOf : undefined);
  if (alternatives !== undefined) return fc.oneof(...alternatives.map((each) => bySchema(each, traps)));
  if (properties !== undefined) {
    const required = schema.required ?? [];
    return fc.record(
      Object.fromEntries(
        Object.entries(properties).map(([name, field]) => {
          const value = bySchema(field, traps);
          // Words that are drawn one by one rarely make a command.
          return [name, name === 'command' ? fc.oneof(value, fc.constantFrom(...commands)) : value];
        }),
      ),
      { requiredKeys: required.filter((name) => name in properties) as never[] },
    );
  }
  const [type = 'object'] = [schema.type ?? []].flat();
  if (type === 'array') return fc.array(bySchema(items ?? {}, traps), { minLength: 1, maxLength: 3 });
  if (type === 'boolean') return fc.boolean();
  if (type === 'integer')
    return fc.integer({ min: Math.max(1, schema.minimum ?? 1), max: Math.min(4, schema.maximum ?? 4) });
  if (type === 'number') return fc.constant(1);
  if (type === 'null') return fc.constant(null);
  if (type === 'object') {
    const { additionalProperties: values } = schema;
    const value = typeof values === 'object' ? bySchema(values, traps) : fc.jsonValue({ maxDepth: 2 });
    const names = matching(strings, schema.propertyNames?.pattern);
    return fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 2 });
  }
  return fc.constantFrom(...matching(strings, pattern));
}

function matching(strings: readonly string[], pattern: string | undefined): readonly string[] {
  const found = pattern === undefined ? strings : strings.filter((text) => new RegExp(pattern).test(text));
  return found.length === 0 ? ['x'] : found;
}

export interface Traps {
  /** Strings that lead to the traps, in a configuration's fields of any kind. */
  readonly strings: readonly string[];
  readonly commands: readonly (readonly string[])[];
  readonly secrets: Readonly<Record<string, string>>;
  /** The address of the trap for connections. */
  readonly origin: string;
  /** Says in words what the traps have caught. */
  caught(): Promise<string[]>;
  close(): Promise<void>;
}

/** Text of the file that must not be read. */
export const PRIVATE_TEXT = 'nobody-may-read-this';

/**
 * Sets a program that leaves a trace, a socket that counts connections, and a file whose time of access tells whether it was read.
 * @param root a folder with data that may be read; a link in it leads out
 */
export async function setTraps(folder: string, root: string): Promise<Traps> {
  const outside = join(folder, 'outside');
  await mkdir(join(outside, 'prompt'), { recursive: true });
  const trace = join(outside, 'trace');
  const program = join(outside, 'program.sh');
  await writeFile(program, `#!/bin/sh\necho "$0 $*" >> ${trace}\n`);
  await chmod(program, 0o755);
  const files = ['private.jsonl', 'prompt/user.txt'].map((name) => join(outside, name));
  const row = { instruction: PRIVATE_TEXT, prompt: PRIVATE_TEXT, chosen: 'a', rejected: 'b' };
  for (const file of files) {
    await writeFile(file, JSON.stringify(row));
    // Older than the last change, so that reading sets it also where times of access are only kept roughly.
    await utimes(file, new Date(0), new Date());
  }
  await symlink(outside, join(root, 'link'));
  const connections: string[] = [];
  const socket = createServer((connection) => {
    connections.push(`connection ${connections.length + 1}`);
    connection.on('error', () => undefined);
    connection.write('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    connection.destroySoon();
  });
  await new Promise<void>((resolve) => socket.listen(0, '127.0.0.1', resolve));
  const { port } = socket.address() as AddressInfo;
  const secrets = { SECRET_KEY: 'a-secret', HF_TOKEN: 'hf_secret', AWS_SECRET_ACCESS_KEY: 'aws-secret' };
  const hosts = [
    '127.0.0.1',
    'localhost',
    '127.1',
    '0x7f000001',
    '[::ffff:127.0.0.1]',
    'user@127.0.0.1',
    'LOCALHOST.',
  ];
  return {
    secrets,
    // A model server's command needs these words, and a trainer's must not have them.
    commands: [[program], ['sh', '-c', `echo x > ${trace}`], ['env', program], ['/bin/sh', program]].flatMap(
      (words) => [words, [...words, '{checkpoint}', '{port}']],
    ),
    origin: `http://127.0.0.1:${port}`,
    strings: [
      ...[
        program,
        'sh',
        '-c',
        `touch ${trace}`,
        `echo x > ${trace}`,
        'template:x',
        '{python}',
        '/bin/sh',
        'env',
      ],
      ...hosts.map((host) => `http://${host}:${port}/v1`),
      ...files,
      ...[
        outside,
        join(outside, '*.jsonl'),
        join(outside, 'prompt'),
        'link',
        'link/private.jsonl',
        'link/prompt',
        'link/*.jsonl',
      ],
      ...[
        '../outside/private.jsonl',
        `{.,x}./outside/*.jsonl`,
        '../outside/prompt',
        'store:../../outside',
        'run:../outside/1',
      ],
      ...[
        'hf://datasets/some/set@main/x.jsonl',
        'some/model',
        `--wrap=${program}`,
        '--uid=0',
        `--output=${trace}`,
      ],
      ...[
        ...Object.keys(secrets),
        'LD_PRELOAD',
        'PATH',
        '/',
        '/v1',
        's3://bucket/x',
        'trainer',
        'some-name',
        'judge-{iteration}',
        '1/judgePairs',
        '2/fineTune',
      ],
    ],
    async caught() {
      const read = await Promise.all(
        files.map(async (file) => ((await stat(file)).atimeMs > 0 ? [`read ${file}`] : [])),
      );
      return [...connections, ...read.flat(), ...(existsSync(trace) ? ['a program ran'] : [])];
    },
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
