import assert from 'node:assert/strict';
import { storeAccessProblem } from '../../tools/check-store-access.ts';

describe('the check of how the product uses the store', () => {
  const files = "import { readFile } from 'node:fs/promises';\n";

  it('finds a file that asks for a local folder, unless it is named', () => {
    const text = 'const { path } = await store.localFolder(uri);';
    assert.match(
      storeAccessProblem('runs/run-state.ts', text) ?? '',
      /run-state\.ts asks the store for files/,
    );
    assert.equal(storeAccessProblem('activities/export-outputs.ts', text), undefined);
    assert.equal(storeAccessProblem('store/artifact-store.ts', text), undefined);
  });

  it('finds the place of an object that is used as a path, and accepts it in a message', () => {
    const path = `${files}await readFile(store.locate(uri));`;
    assert.match(storeAccessProblem('runs/run-state.ts', path) ?? '', /as a path/);
    const message = `${files}throw new Error(\`\${store.locate(uri)} is missing\`);`;
    assert.equal(storeAccessProblem('runs/run-state.ts', message), undefined);
  });
});
