import assert from 'node:assert/strict';
import { licenceProblem, npmProblems, pythonProblems } from '../../tools/check-licences.ts';

describe('the check of licences', () => {
  for (const expression of ['MIT', '(MIT OR Apache-2.0)', 'Apache-2.0 WITH LLVM-exception AND Zlib'])
    it(`accepts ${expression}`, () => assert.equal(licenceProblem(expression), undefined));

  const DENIED = ['GPL-3.0-only', 'AGPL-3.0', 'SSPL-1.0', 'BUSL-1.1', 'CC-BY-NC-4.0', 'UNLICENSED'];
  for (const expression of [...DENIED, '(MIT OR GPL-2.0)'])
    it(`refuses ${expression}`, () => assert.match(licenceProblem(expression) ?? '', /is denied$/));

  for (const expression of ['SEE LICENSE IN LICENSE.md', 'Elastic-2.0', 'BSD', 'LicenseRef-Own'])
    it(`asks somebody to look at ${expression}`, () =>
      assert.match(licenceProblem(expression) ?? '', /nobody has looked at$/));

  it('accepts a licence of a single package of that package only', () => {
    assert.deepEqual(
      ['pycountry', 'another'].map((name) => licenceProblem('LGPL-2.1-only', name) ?? 'accepted'),
      ['accepted', 'has the licence "LGPL-2.1-only", which nobody has looked at'],
    );
    assert.deepEqual(
      pythonProblems([{ name: 'supervisor', version: '1' }], { 'supervisor==1': 'LicenseRef-Repoze' }),
      [],
    );
  });

  it('demands of a package of npm without a licence that somebody writes down where it is written', () => {
    const one = { name: 'one', version: '1.0.0', path: 'node_modules/one', license: undefined, dev: true };
    assert.deepEqual(npmProblems([one], {}), ['one@1.0.0 of package-lock.json has no licence']);
    const found = { licence: 'MIT', evidence: 'its file LICENSE' };
    assert.deepEqual(npmProblems([one], { 'one@1.0.0': found }), []);
    // An upgrade has to be looked into again.
    assert.equal(npmProblems([{ ...one, version: '2.0.0' }], { 'one@1.0.0': found }).length, 2);
  });

  it('finds locked Python packages whose licences were not written, and licences of packages that are gone', () => {
    const problems = pythonProblems([{ name: 'one', version: '1' }], { 'two==2': 'MIT' });
    assert.deepEqual(
      problems.map((problem) => /(one==1|two==2)\. Run npm run lock:python$/.exec(problem)?.[1]),
      ['one==1', 'two==2'],
    );
    assert.match(
      pythonProblems([{ name: 'one', version: '1' }], { 'one==1': 'AGPL-3.0-or-later' }).join(),
      /^one==1 of tools\/licences\/python\.json has the licence .* is denied$/,
    );
  });
});
