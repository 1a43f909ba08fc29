import assert from 'node:assert/strict';
import { requireReadableFolder } from '../../src/worker/workflow-bundle.ts';

describe('the bundle of the workflows', () => {
  it("is refused from a folder that webpack can't read, with the character and the folder", () => {
    for (const folder of ['/home/me/what?', '/home/me/now!/x'])
      assert.throws(() => requireReadableFolder(folder), {
        name: 'SetupError',
        message: /with "[!?]" in its path: move or rename \/home\/me\/(what\?|now!\/x)\./,
      });
    requireReadableFolder(`/home/it's 100% #1 [x] {a,b} é\n/x`);
  });
});
