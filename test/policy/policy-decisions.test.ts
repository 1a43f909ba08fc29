import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { SERVING_DRIVERS } from '../../src/models/serving/drivers/registry.ts';
import { LAUNCHERS } from '../../src/models/training/launchers/registry.ts';
import { readJsonObject } from '../../src/cli/core/configuration-file.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { isPublicAddress, namesEndpoint } from '../../src/policy/endpoint-patterns.ts';
import {
  publishingProblems,
  servingProblems,
  trainingProblems,
  withResolvedCommand,
} from '../../src/policy/policy-problems.ts';
import { type Policy, policySchema } from '../../src/policy/policy-schema.ts';
import { choosePolicy, readPolicy } from '../../src/policy/read-policy.ts';
import type { Section } from '../../src/policy/section-problems.ts';

const strict = (rules: object = {}): Policy => ({ rules: policySchema.parse(rules), description: 'strict' });
const messagesOf = (policy: Policy, section: Section) =>
  servingProblems(policy, 'serving', section).map(({ path, message }) => `${path}: ${message}`);
const pathsOf = (policy: Policy, section: Section) =>
  servingProblems(policy, 'serving', section).map(({ path }) => path);
const command = (...words: string[]) => ({ kind: 'command', command: words });

describe('the policy: commands', () => {
  it('allow the trainer and the embedded server of the package as its configurations start them', () => {
    for (const file of ['embedded', 'smollm2-135m', 'embedded-dpo']) {
      const { configuration } = parseConfiguration(
        readJsonObject(join(packageRoot, `temporal/inputs/${file}.json`)),
      );
      assert(configuration !== undefined);
      assert.deepEqual(servingProblems(strict(), 'serving', configuration.serving), []);
      assert.deepEqual(trainingProblems(strict(), configuration.fineTuning), []);
    }
  });

  it('allow nothing that only looks like them', () => {
    const server = ['{python}', '{packageRoot}/embedded/server.py'];
    for (const words of [
      ['sh', '-c', 'env'],
      ['{python}', '-c', 'print()'],
      ['{python}', '-m', 'trainer', '--job', '{job}', '--trust'],
      ['{python}', '-m', 'trainer', '--job', '/tmp/job.json'],
      [
        '{python}',
        '-m',
        'accelerate.commands.launch',
        '--config_file',
        '/tmp/x.yaml',
        '-m',
        'trainer',
        '--job',
        '{job}',
      ],
      [
        '{python}',
        '-m',
        'accelerate.commands.launch',
        '--config_file',
        'trainer/launch/../../x.yaml',
        '-m',
        'trainer',
        '--job',
        '{job}',
      ],
      [...server, '--root', '/'],
      [...server, '--request-log', '/tmp/log'],
      [...server, '--port', '{port}', '--constructor', 'x'],
      ['{python}', '{packageRoot}/embedded/../server.py'],
      ['template:constructor'],
    ])
      assert.deepEqual(pathsOf(strict(), command(...words)), ['serving.command'], words.join(' '));
  });

  it('allow a program that is named, but not code of checkpoints by one of its options', () => {
    const policy = strict({ commands: { programs: ['vllm'] } });
    assert.deepEqual(pathsOf(policy, command('vllm', 'serve', '{checkpoint}')), []);
    assert.deepEqual(pathsOf(policy, command('/tmp/vllm', 'serve')), ['serving.command']);
    assert.deepEqual(pathsOf(policy, command('vllm', 'serve', '--trust-remote-code')), ['serving.command']);
    const withArguments = { ...command('vllm', 'serve'), arguments: ['--trust-remote-code'] };
    assert.deepEqual(pathsOf(policy, withArguments), ['serving.command']);
  });

  it('allow a template as it is, by its words or by its name, which then stands for its words', () => {
    const words = ['vllm', 'serve', '{checkpoint}'];
    const policy = strict({ commands: { templates: { small: words } } });
    assert.deepEqual(pathsOf(policy, command(...words)), []);
    assert.deepEqual(pathsOf(policy, command(...words, '--port', '1')), ['serving.command']);
    assert.deepEqual(pathsOf(policy, command('template:small')), []);
    assert.deepEqual(withResolvedCommand(policy, command('template:small')).command, words);
    assert.deepEqual(pathsOf(policy, { ...command('template:small'), arguments: ['-x'] }), [
      'serving.command',
      'serving.arguments',
    ]);
    assert.match(
      messagesOf(policy, command('template:large')).join(),
      /does not have \(it has small\): add it to/,
    );
  });

  it('allow no variable and no model name that turns into an option', () => {
    const section = {
      ...command('{python}', '{packageRoot}/embedded/server.py'),
      environment: { LD_PRELOAD: '/tmp/x.so', OMP_NUM_THREADS: '1' },
      servedModelName: '--trust-remote-code',
    };
    assert.deepEqual(pathsOf(strict({ commands: { environment: ['OMP_NUM_THREADS'] } }), section), [
      'serving.environment.LD_PRELOAD',
      'serving.servedModelName',
    ]);
  });

  it('know every field of every serving driver and launcher, and refuse another one', () => {
    const shapes = [...SERVING_DRIVERS, ...LAUNCHERS].map(({ configuration }) => configuration.shape);
    for (const field of new Set(shapes.flatMap((shape) => Object.keys(shape))))
      assert.doesNotMatch(messagesOf(strict(), { [field]: undefined }).join(), /does not know/, field);
    assert.match(messagesOf(strict(), { program: 'sh' }).join(), /serving\.program: .* does not know/);
  });
});

describe('the policy: endpoints and keys', () => {
  const names = (pattern: string, url: string) => namesEndpoint([pattern], new URL(url));

  it('are named by host, port, domain, address, range, or as public', () => {
    for (const [pattern, url] of [
      ['api.example.com', 'https://API.example.com./v1'],
      ['api.example.com:8000', 'http://api.example.com:8000/v1'],
      ['*.example.com', 'https://a.b.example.com/v1'],
      ['10.0.0.7', 'http://10.0.0.7:8000/v1'],
      ['10.0.0.0/8', 'http://0xa.7/v1'],
      ['127.0.0.1', 'http://[::ffff:127.0.0.1]/v1'],
      ['[::1]:8000', 'http://[0:0::1]:8000/v1'],
      ['fd00::/8', 'http://[fd12::1]/v1'],
      ['public', 'https://8.8.8.8/v1'],
      ['public', 'https://any.example.org/v1'],
    ] as const)
      assert(names(pattern, url), `${pattern} ${url}`);
  });

  it('are not named by what only looks like the pattern', () => {
    for (const [pattern, url] of [
      ['api.example.com', 'https://api.example.com.evil.org/v1'],
      ['api.example.com', 'https://api.example.com@evil.org/v1'],
      ['api.example.com:8000', 'http://api.example.com/v1'],
      ['*.example.com', 'https://example.com/v1'],
      ['*.example.com', 'https://evilexample.com/v1'],
      ['10.0.0.0/8', 'http://11.0.0.1/v1'],
      ['10.0.0.0/8', 'http://10.example.org/v1'],
      ['public', 'http://127.0.0.1/v1'],
      ['public', 'http://2130706433/v1'],
      ['public', 'http://169.254.169.254/latest'],
      ['public', 'http://[::ffff:10.0.0.1]/v1'],
      ['public', 'http://[fe80::1]/v1'],
    ] as const)
      assert(!names(pattern, url), `${pattern} ${url}`);
  });

  it('tell public addresses from those of this machine, of networks and of links', () => {
    for (const address of ['8.8.8.8', '2606:4700::1111']) assert(isPublicAddress(address), address);
    for (const address of '0.0.0.0 10.1.2.3 100.64.0.1 127.9.9.9 169.254.169.254 172.31.0.1 192.168.0.1 224.0.0.1 255.255.255.255 :: ::1 fe80::1%eth0 fc00::1 64:ff9b::7f00:1 2002:7f00:1:: ::ffff:7f00:1 example.org'.split(
      ' ',
    ))
      assert(!isPublicAddress(address), address);
  });

  it('need a name each, and a key goes to its own endpoints only', () => {
    const policy = strict({
      endpoints: ['a.example.com', 'b.example.com'],
      keyVariables: { KEY_A: ['a.example.com'] },
    });
    const endpoint = (baseUrl: string | string[], apiKeyEnv?: string | string[]) => ({
      ...{ kind: 'endpoint', baseUrl, servedModelName: 'm' },
      ...(apiKeyEnv === undefined ? {} : { apiKeyEnv }),
    });
    const [a, b, c] = [
      'https://a.example.com/v1',
      'https://b.example.com/v1',
      'https://c.example.com/v1',
    ] as const;
    assert.deepEqual(messagesOf(policy, endpoint(a, 'KEY_A')), []);
    assert.deepEqual(messagesOf(policy, endpoint(c)), [
      `serving.baseUrl: the worker's policy does not allow requests to c.example.com: add "c.example.com" to endpoints of the policy file`,
    ]);
    assert.deepEqual(messagesOf(policy, endpoint([a, b], ['KEY_A', 'KEY_A'])), [
      `serving.apiKeyEnv: the worker's policy does not allow the variable KEY_A as a key for b.example.com: add "b.example.com" to keyVariables.KEY_A of the policy file`,
    ]);
    assert.deepEqual(pathsOf(policy, endpoint([a, c], 'toString')), [
      'serving.baseUrl.1',
      'serving.apiKeyEnv',
      'serving.apiKeyEnv',
    ]);
    const own = { ...command('{python}', '{packageRoot}/embedded/server.py'), apiKeyEnv: 'KEY_A' };
    assert.deepEqual(pathsOf(policy, own), ['serving.apiKeyEnv']);
    assert.deepEqual(pathsOf(strict({ keyVariables: { KEY_A: ['own-servers'] } }), own), []);
    assert.match(messagesOf(policy, endpoint(a, 'HF_TOKEN')).join(), /are no keys of endpoints/);
  });
});

describe('the policy: training and publishing', () => {
  const fineTuning = (launcher: Section, rest: object = {}) =>
    ({ launcher, reportTo: [], trustRemoteCode: false, ...rest }) as unknown as Parameters<
      typeof trainingProblems
    >[1];
  const trainer = ['{python}', '-m', 'trainer', '--job', '{job}'];

  it('refuse code of checkpoints, trackers, and schedulers that are not named', () => {
    const problems = trainingProblems(
      strict(),
      fineTuning(
        { kind: 'slurm', command: trainer },
        { reportTo: ['tensorboard', 'wandb'], trustRemoteCode: true },
      ),
    );
    assert.deepEqual(
      problems.map(({ path }) => path),
      ['fineTuning.launcher.kind', 'fineTuning.reportTo.1', 'fineTuning.trustRemoteCode'],
    );
  });

  it('refuse partitions and options of Slurm that are not named', () => {
    const policy = strict({ slurm: { partitions: ['gpu'], options: ['--exclusive', '--constraint'] } });
    const job = {
      ...{ kind: 'slurm', command: trainer, account: null, partition: 'debug', qos: 'high' },
      options: ['--exclusive', '--constraint=h100', '--wrap=sh', '--excl', '-D/'],
    };
    assert.deepEqual(
      trainingProblems(policy, fineTuning(job)).map(({ path }) => path.replace('fineTuning.launcher.', '')),
      ['partition', 'qos', 'options.2', 'options.3', 'options.4'],
    );
  });

  it('refuse repositories, tokens and buckets that are not named', () => {
    const publishing = { repositories: ['us/*'], buckets: ['s3://ours/judges/'] };
    const pathsOfPublishing = (publish: object, publishTo: string) =>
      publishingProblems(strict({ publishing }), { publish, publishTo } as Parameters<
        typeof publishingProblems
      >[1]).map(({ path }) => path);
    assert.deepEqual(
      pathsOfPublishing({ model: 'us/judge', tokenEnv: 'HF_TOKEN' }, 's3://ours/judges/a'),
      [],
    );
    assert.deepEqual(
      pathsOfPublishing(
        { model: 'them/judge', dataset: 'us2/x', tokenEnv: 'AWS_SECRET_ACCESS_KEY' },
        's3://ours/judges-2',
      ),
      ['publish.model', 'publish.dataset', 'publish.tokenEnv', 'publishTo'],
    );
    assert.deepEqual(pathsOfPublishing({ tokenEnv: 'HF_TOKEN' }, 's3://ours/judges/../x'), ['publishTo']);
  });
});

describe('the policy file', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'policy-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is refused with every field that is wrong, and with credentials as keys', async () => {
    const file = join(folder, 'policy.json');
    await writeFile(
      file,
      JSON.stringify({
        endpoint: [],
        endpoints: ['http://x/'],
        keyVariables: { AWS_KEY: ['x'] },
        dataRoots: ['data'],
      }),
    );
    assert.throws(
      () => readPolicy(file),
      ({ message }: Error) => {
        for (const part of [
          /endpoints\.0: expected a host/,
          /AWS_KEY/,
          /dataRoots\.0: expected an absolute/,
          /"endpoint"/,
        ])
          assert.match(message, part);
        return true;
      },
    );
    assert.throws(() => readPolicy(join(folder, 'none.json')), /can't be read as JSON: ENOENT/);
  });

  it('holds whoever has started the server; without one only a server of this checkout is trusted', async () => {
    const file = join(folder, 'policy.json');
    await writeFile(file, '{}');
    assert(choosePolicy(readPolicy(file), true).rules !== undefined);
    assert(choosePolicy(readPolicy(''), false).rules !== undefined);
    assert(choosePolicy(readPolicy(''), true).rules === undefined);
    assert(choosePolicy(readPolicy('open'), false).rules === undefined);
    assert.deepEqual(choosePolicy(readPolicy('strict'), true), choosePolicy(undefined, false));
  });
});
