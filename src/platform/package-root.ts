import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The folder of this program's modules: src in a checkout, dist in an installed package. */
export const sourceRoot = join(import.meta.dirname, '..');

/**
 * The folder of the package, with the trainer, the prompts and the example configurations: the checkout, or the
 * installed package.
 */
export const packageRoot = join(sourceRoot, '..');

/**
 * Returns the file of a module below {@link sourceRoot}, named without its extension: TypeScript in a checkout,
 * otherwise the compiled file.
 */
export function moduleFile(module: string): string {
  return join(sourceRoot, `${module}${extname(import.meta.filename)}`);
}

/**
 * The options of Node with which a program stops when its parent is gone. The module has an address, because Node would read
 * `%`, `#` and `?` of a path as parts of one.
 */
export const STOP_WITH_PARENT = [
  '--import',
  pathToFileURL(join(sourceRoot, 'platform', 'stop-with-parent.mjs')).href,
];
