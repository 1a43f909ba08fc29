/**
 * Part of `npm run check`: checks that each folder of src imports only from lower ones (docs/architecture.md), including type
 * imports, and that no files or folders import each other in a circle. `node tools/check-layers.ts [root of the checkout]`.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve, sep } from 'node:path';
import { parseSync } from 'oxc-parser';

/** The folders of src, lowest first. A folder covers its subfolders; a file at the top of src is a folder of its own. */
const LAYERS = [
  'platform',
  'method',
  'store',
  'datasets',
  'benchmarks',
  'models/inference',
  'models/gpus',
  'models/serving',
  'models/training',
  'config',
  'policy',
  'api',
  'runs',
  'pair-judging',
  'reporting',
  'observability',
  'activities',
  'workflows',
  'estimate',
  'temporal',
  'worker',
  'client',
  'cli',
];

interface Import {
  readonly from: string;
  readonly to: string;
}

const source = join(resolve(process.argv[2] ?? join(import.meta.dirname, '..')), 'src');
const imports = globSync('**/*.ts', { cwd: source }).sort().flatMap(importsOf);
const problems = [
  ...imports.flatMap(layerProblem),
  ...cycles(imports).map((cycle) => `files import each other in a circle: ${cycle}`),
  ...cycles(imports.map(({ from, to }) => ({ from: dirname(from), to: dirname(to) }))).map(
    (cycle) => `folders import each other in a circle: ${cycle}`,
  ),
];
for (const problem of problems) console.error(`src: ${problem}`);
if (problems.length > 0) process.exitCode = 1;

/** The files of src that a file of src imports or exports from, as paths relative to src. */
function importsOf(file: string): Import[] {
  const { module } = parseSync(file, readFileSync(join(source, file), 'utf8'));
  const specifiers = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? []),
    ),
  ];
  return [...new Set(specifiers)]
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => ({ from: file, to: normalize(join(dirname(file), specifier)) }));
}

function layerProblem({ from, to }: Import): string[] {
  if (to.startsWith('..')) return [`${from} imports ${to}, which is outside src`];
  const [lower, upper] = [layerOf(to), layerOf(from)];
  if (upper === undefined) return [`${from} is in no layer of tools/check-layers.ts`];
  return lower === undefined || lower <= upper
    ? []
    : [`${from} imports ${to}, but ${LAYERS[lower]} is above ${LAYERS[upper]}`];
}

function layerOf(file: string): number | undefined {
  const name = file.replace(/\.ts$/, '');
  const index = LAYERS.findIndex((layer) => name === layer || name.startsWith(layer + sep));
  return index === -1 ? undefined : index;
}

/** One circle of each strongly connected part of the graph, written as `a -> b -> a`. */
function cycles(edges: readonly Import[]): string[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of edges) {
    if (from === to) continue;
    next.set(from, (next.get(from) ?? new Set()).add(to));
  }
  const circles: string[] = [];
  const finished = new Set<string>();
  const walk = (node: string, path: readonly string[]): void => {
    const start = path.indexOf(node);
    if (start !== -1) {
      circles.push([...path.slice(start), node].join(' -> '));
      return;
    }
    if (finished.has(node)) return;
    for (const target of next.get(node) ?? []) walk(target, [...path, node]);
    finished.add(node);
  };
  for (const node of next.keys()) walk(node, []);
  return circles;
}
