/**
 * `npm run mutate -- FILE [TEST FILES]`: changes one operator, condition or literal of a source file at a time, runs the
 * tests, and lists the changes that no test notices. The file itself is not modified. Without test files, runs those that
 * import the source file.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseSync } from 'oxc-parser';

interface Mutant {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const OPERATORS: Readonly<Record<string, string>> = {
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '&&': '||',
  '||': '&&',
  '??': '&&',
  '+=': '-=',
  '-=': '+=',
};
/** A mutant that runs longer is noticed: it loops. */
const TIMEOUT_MS = 120_000;

const root = join(import.meta.dirname, '..');
const [file = '', ...namedTests] = process.argv.slice(2);
const path = resolve(file);
const source = readFileSync(path, 'utf8');
const tests = namedTests.length > 0 ? namedTests : testsOf(path);
if (tests.length === 0) throw new Error(`no test imports ${path}; name the test files`);

const folder = mkdtempSync(join(tmpdir(), 'mutate-'));
try {
  if (!passes(source)) throw new Error(`the tests fail without a change: ${tests.join(' ')}`);
  const mutants = mutantsOf(parseSync(path, source).program as unknown as Node);
  const survivors = mutants.filter(({ start, end, text }) =>
    passes(source.slice(0, start) + text + source.slice(end)),
  );
  for (const { start, end, text } of survivors)
    console.log(
      `${file}:${source.slice(0, start).split('\n').length}  ${source.slice(start, end)}  ->  ${text}`,
    );
  console.log(`${mutants.length} mutants, ${survivors.length} survived (${tests.join(' ')})`);
} finally {
  rmSync(folder, { recursive: true });
}

/** The tests that import a source file. */
function testsOf(target: string): string[] {
  return globSync('test/**/*.test.ts', { cwd: root }).filter((test) => {
    const text = readFileSync(join(root, test), 'utf8');
    const imports = [...text.matchAll(/from '(\.[^']+)'/g)].map(([, specifier]) => specifier as string);
    return imports.some((specifier) => resolve(root, dirname(test), specifier) === target);
  });
}

/** Runs the tests with another source text of the file, which a module hook provides. */
function passes(text: string): boolean {
  const replacement = join(folder, 'source.ts');
  writeFileSync(replacement, text);
  const hook = `import { registerHooks } from 'node:module';
    import { readFileSync } from 'node:fs';
    registerHooks({ load: (url, context, next) => url === ${JSON.stringify(pathToFileURL(path).href)}
      ? { format: 'module-typescript', source: readFileSync(${JSON.stringify(replacement)}, 'utf8'), shortCircuit: true }
      : next(url, context) });`;
  const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const loader = `data:text/javascript,${encodeURIComponent(hook)}`;
  const { status } = spawnSync(process.execPath, ['--import', loader, mocha, '--bail', ...tests], {
    cwd: root,
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
  });
  return status === 0;
}

/** All mutants of a node and the nodes below it. Types and imports have none. */
function mutantsOf(node: Node): Mutant[] {
  if (node.type === 'ImportDeclaration' || isType(node)) return [];
  const children = Object.entries(node).flatMap(([key, value]) =>
    key === 'typeAnnotation' ? [] : [value].flat().filter(isNode),
  );
  return [...ownMutants(node), ...children.flatMap(mutantsOf)];
}

function ownMutants({ type, start, end, ...node }: Node): Mutant[] {
  const replaced = (text: string): Mutant[] => [{ start, end, text }];
  const original = source.slice(start, end);
  const { operator, left, right, test, value } = node;
  if (isNode(left) && isNode(right) && typeof operator === 'string') {
    const other = OPERATORS[operator];
    const at = source.indexOf(operator, left.end);
    return other === undefined ? [] : [{ start: at, end: at + operator.length, text: other }];
  }
  if (isNode(test))
    return [{ start: test.start, end: test.end, text: `!(${source.slice(test.start, test.end)})` }];
  if (type === 'UnaryExpression' && operator === '!') return replaced(original.slice(1));
  if (type === 'Literal' && typeof value === 'boolean') return replaced(String(!value));
  if (type === 'Literal' && typeof value === 'number') return replaced(`${value + 1}`);
  return [];
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/** Whether a node is a type; expressions with a type have names that begin with TS too. */
function isType({ type }: Node): boolean {
  return type.startsWith('TS') && !/^TS(?:As|Satisfies|NonNull)/.test(type);
}
