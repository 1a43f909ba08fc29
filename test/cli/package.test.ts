import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { ensurePython } from '../../src/cli/setup/python-environment.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { startScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { sampleJudge } from '../support/sample-judge.ts';

const run = promisify(execFile);
const modules = join(packageRoot, 'node_modules');

describe('the packed package, installed in an empty folder', function () {
  this.timeout(300_000);

  let folder: string;
  let program: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'package-'));
    program = await installPackage(folder);
  });

  after(() => rm(folder, { recursive: true, force: true }));

  async function call(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    const { PATH } = process.env;
    const child = spawn(program, args, {
      cwd: folder,
      env: { PATH, HOME: folder, TEMPORAL_ADDRESS: '127.0.0.1:1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (err += data.toString()));
    await once(child, 'close');
    return { code: child.exitCode, out, err };
  }

  it('lists its commands without anything of the checkout', async () => {
    const { code, out, err } = await call(['--help']);
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^self-taught-evaluator <command>\n/);
    const version = await call(['--version']);
    assert.equal(version.out.trim(), packageJson().version);
  });

  it('runs the doctor, which finds the trainer of the package', async () => {
    const { code, out, err } = await call(['doctor', '--json'], {
      SELF_TAUGHT_EVALUATOR_PYTHON: await ensurePython(),
    });
    assert.equal(code, 1, err);
    const { findings } = JSON.parse(out) as { findings: Finding[] };
    const status = (check: string) => findings.find((finding) => finding.check === check)?.status;
    assert.deepEqual([status('Node'), status('trainer'), status('server')], ['ok', 'ok', 'missing'], out);
  });

  it('judges a file of pairs', async () => {
    const endpoint = await startScriptedEndpoint({
      script: () => ({ kind: 'answer', texts: ['I prefer [[A]].'], finishReason: 'stop' }),
    });
    try {
      const pair = { instruction: 'How much is 1 + 1?', responseA: '2', responseB: '3', label: 'A' };
      await writeFile(join(folder, 'pairs.jsonl'), `${JSON.stringify(pair)}\n`.repeat(3));
      await writeFile(join(folder, 'judge.json'), JSON.stringify(sampleJudge()));
      const model = [
        '--model',
        endpoint.baseUrl,
        '--served-model-name',
        'the-judge',
        '--judge',
        'judge.json',
      ];
      const { code, out, err } = await call(['judge', 'pairs.jsonl', ...model, '--json']);
      assert.equal(code, 0, err);
      const { pairs, accuracy } = JSON.parse(out) as { pairs: number; accuracy: number };
      assert.deepEqual([pairs, accuracy], [3, 1]);
    } finally {
      await endpoint.close();
    }
  });
});

/**
 * Builds and packs the package, and unpacks it into `<folder>/node_modules` with links to its dependencies, but not to its
 * development dependencies. Returns the path of its program.
 */
async function installPackage(folder: string): Promise<string> {
  await rm(join(packageRoot, 'dist'), { recursive: true, force: true });
  const project = join(packageRoot, 'tsconfig.build.json');
  await run(process.execPath, [join(modules, 'typescript/bin/tsc'), '--project', project]);
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: packageRoot,
  });
  const { name, bin, dependencies } = packageJson();
  const installed = join(folder, 'node_modules', name);
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', join(folder, stdout.trim()), '--strip-components=1', '-C', installed]);
  for (const dependency of Object.keys(dependencies)) {
    const link = join(folder, 'node_modules', dependency);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(modules, dependency), link);
  }
  const program = join(installed, bin[name] ?? '');
  await chmod(program, 0o755);
  const link = join(folder, 'node_modules/.bin', name);
  await mkdir(dirname(link));
  await symlink(program, link);
  return link;
}

function packageJson() {
  return JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    bin: Record<string, string>;
    dependencies: Record<string, string>;
  };
}
