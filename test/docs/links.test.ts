import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { packageRoot } from '../../src/platform/package-root.ts';

const FOLDERS = ['', 'docs', 'docs/results', 'embedded', 'examples/smollm2', 'packages/client'];

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(packageRoot, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(packageRoot, folder, name)),
);

/** The text of a Markdown file without its fenced blocks. */
const proseOf = (file: string) => readFileSync(file, 'utf8').replaceAll(/^ *```[^]*?^ *```/gm, '');

/** The anchors that GitHub gives to the headings of a Markdown file. */
function anchorsOf(file: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of proseOf(file).matchAll(/^#{1,6} +(.*)$/gm)) {
    const anchor = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-');
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count++) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}

describe('the documentation', () => {
  it('links only to files and headings that exist', () => {
    const broken = files.flatMap((file) =>
      [...proseOf(file).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, link = '']) => link)
        .filter((link) => {
          if (/^[a-z]+:/.test(link)) return false;
          const [path = '', anchor] = link.split('#');
          const target = path === '' ? file : join(dirname(file), path);
          return !existsSync(target) || (anchor !== undefined && !anchorsOf(target).has(anchor));
        })
        .map((link) => `${relative(packageRoot, file)}: ${link}`),
    );
    assert.deepEqual(broken, []);
  });

  it('names only files of the repository that exist', () => {
    const broken = files.flatMap((file) =>
      [
        ...proseOf(file).matchAll(
          /`((?:src|test|tools|bench|trainer|temporal|deploy|schema|examples)\/[\w./@-]+)`/g,
        ),
      ]
        .map(([, path = '']) => path)
        .filter((path) => !existsSync(join(packageRoot, path)))
        .map((path) => `${relative(packageRoot, file)}: ${path}`),
    );
    assert.deepEqual(broken, []);
  });
});
