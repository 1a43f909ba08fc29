import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tellsFromBase } from '../../../../src/models/serving/adapters/canary.ts';
import type { TrainedAdapter } from '../../../../src/models/serving/adapters/publish-adapter.ts';
import { commandServing, type CommandServing } from '../../../../src/models/serving/drivers/command.ts';
import { servingSchema } from '../../../../src/models/serving/drivers/registry.ts';
import { vllmLoraDriver } from '../../../../src/models/serving/drivers/vllm-lora.ts';
import { ServerFailed } from '../../../../src/models/serving/errors.ts';
import type { ServingRequest } from '../../../../src/models/serving/supervisor.ts';
import { packageRoot } from '../../../../src/platform/package-root.ts';
import { adapterBase, makeAdapters, python, type MadeAdapters } from '../../../support/made-adapters.ts';
import { askModel, superviseServers, until, type SupervisedServers } from '../supervised-servers.ts';

const program = join(packageRoot, 'test/support/lora_server.py');

describe('vLLM with adapters', function () {
  this.timeout(900_000);
  let made: MadeAdapters;
  /** Adapters that a test has changed. */
  const adapters: Record<string, TrainedAdapter> = {};
  let servers: SupervisedServers;

  before(() => {
    made = makeAdapters('M_1:8:0.05', 'M_2:8:0.1', 'large:32:0.05', 'same:8:0');
  });
  beforeEach(() => {
    servers = superviseServers({ environment: { ...process.env, VLLM_API_KEY: undefined } });
  });
  afterEach(() => servers.close());
  after(() => made.remove());

  const starts = () => servers.starts();
  const faultFile = () => join(servers.folder, 'fault');
  const settings = (changed: object = {}) =>
    servingSchema.parse({
      kind: 'vllm-lora',
      command: [
        ...[python, program, 'serve', '{checkpoint}', '--served-model-name', '{servedModelName}'],
        ...['--host', '{host}', '--port', '{port}', '--starts', join(servers.folder, 'starts')],
        ...['--fault', faultFile()],
      ],
      startTimeoutSeconds: 120,
      ...changed,
    });
  const serve = (adapter?: string, serving = settings(), changed: Partial<ServingRequest> = {}) =>
    servers.supervisor.ensureServing({
      ...{ serving, checkpoint: adapterBase, sha256: 'a'.repeat(64), adapterRank: 8, runName: 'run' },
      ...{ iteration: adapter === 'M_2' ? 2 : 1, owner: 'run', ...changed },
      ...(adapter === undefined ? {} : { adapter: adapters[adapter] ?? made.get(adapter) }),
    });
  const isFailure =
    (reason: string, ...texts: RegExp[]) =>
    (error: unknown) => {
      assert(error instanceof ServerFailed, String(error));
      assert.equal(error.reason, reason, error.message);
      for (const text of texts) assert.match(error.message, text);
      return true;
    };
  /** The adapters in the folder of the server. */
  const published = () => {
    const [key = ''] = readdirSync(join(servers.folder, 'state', 'adapters'));
    const folder = readdirSync(join(servers.folder, 'state', 'adapters', key), { withFileTypes: true });
    return folder
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  };

  for (const adapterLoading of ['folder', 'call'] as const) {
    it(`serves the base and each new adapter at one server, whose names say what they contain (${adapterLoading})`, async () => {
      const serving = settings({ adapterLoading });
      const seed = await serve(undefined, serving);
      const first = await serve('M_1', serving);
      const second = await serve('M_2', serving);
      const names = [seed, first, second].map(({ model }) => model);
      const [one, two] = ['M_1', 'M_2'].map((name) => made.get(name).sha256.slice(0, 12));
      assert.deepEqual(names, [`model-${'a'.repeat(12)}`, `run-1-${one}`, `run-2-${two}`]);
      assert.equal(new Set([seed.baseUrl, first.baseUrl, second.baseUrl]).size, 1);
      assert.equal(starts().length, 1);
      assert.deepEqual(published(), names.slice(1));
      const answers = await Promise.all([seed, first, second].map((served) => askModel(served)));
      assert.equal(new Set(answers).size, 3, JSON.stringify(answers));
      // Again, as after a retry: the server has it already.
      assert.equal((await serve('M_1', serving)).model, first.model);
      assert.equal(starts().length, 1);
    });
  }

  it('has its adapters again after its server was killed, without being told', async () => {
    const served = await serve('M_1');
    const answer = await askModel(served);
    process.kill(Number(starts()[0]), 'SIGKILL');
    await until(() => starts().length === 2);
    await until(async () => (await askModel(served)) !== undefined);
    assert.equal(await askModel(served), answer);
    assert.equal((await serve('M_2')).baseUrl, served.baseUrl);
    assert.equal(starts().length, 2);
  });

  it('gives a server that was stopped the adapter again when it is served next, and leaves no copies', async () => {
    const served = await serve('M_1');
    await servers.supervisor.stopServing('run');
    assert.deepEqual(readdirSync(join(servers.folder, 'state', 'adapters')), []);
    const again = await serve('M_1');
    assert.equal(again.model, served.model);
    assert.deepEqual(published(), [served.model]);
  });

  it('does not serve other weights than the trained ones', async () => {
    writeFileSync(faultFile(), 'base');
    const isWrong = isFailure(
      'wrong-weights',
      /serves other weights under the name run-1-\w{12} than those that were trained/,
      /it seems to answer without the adapter/,
      /use a version of vLLM that supports adapters of this model/,
    );
    await assert.rejects(serve('M_1'), isWrong);
    rmSync(faultFile());
    // The folder of one adapter with the weights of another one.
    const mixed = join(made.folder, 'mixed');
    cpSync(join(made.folder, 'M_2'), mixed, { recursive: true });
    adapters['mixed'] = { ...made.get('M_2'), folder: mixed, canary: made.get('M_1').canary };
    await assert.rejects(serve('mixed'), isFailure('wrong-weights', /tokens are not its first choice/));
    adapters['damaged'] = { ...made.get('M_1'), folder: mixed };
    await assert.rejects(
      serve('damaged'),
      isFailure('adapter-refused', /does not have the content that was trained/),
    );
  });

  it('takes an adapter that changes nothing for no proof, and lets it pass', async () => {
    assert.equal(tellsFromBase(made.get('same').canary), false);
    assert.equal(tellsFromBase(made.get('M_1').canary), true);
    writeFileSync(faultFile(), 'base');
    await serve('same');
  });

  for (const adapterLoading of ['folder', 'call'] as const) {
    it(`says why an adapter can't be loaded (${adapterLoading})`, async () => {
      const serving = settings({ adapterLoading });
      await assert.rejects(
        serve('large', serving),
        isFailure('adapter-refused', /LoRA rank 32 is greater than max_lora_rank 8/, /set it to 32 or more/),
      );
      const other = join(made.folder, `other-${adapterLoading}`);
      cpSync(adapterBase, other, { recursive: true });
      widenModel(other);
      await assert.rejects(
        serve('M_1', serving, { checkpoint: other }),
        isFailure('adapter-refused', /size of tensor|shape/, /was trained on another base than .*other-/),
      );
    });
  }

  it('says what a server lacks that does not load adapters', async () => {
    const withoutResolver = { environment: { VLLM_PLUGINS: 'lora_filesystem_resolver,other' } };
    await serve('M_1', settings(withoutResolver));
    await servers.close();
    // The worker's variables reach the server.
    servers = superviseServers({ environment: { ...process.env, VLLM_PLUGINS: 'other' } });
    await assert.rejects(
      serve('M_1'),
      isFailure(
        'adapter-refused',
        /does not exist/,
        /its plugin lora_filesystem_resolver/,
        /adapterLoading to "call"/,
      ),
    );
    await serve('M_1', settings({ adapterLoading: 'call' }));
  });

  it('says what a server lacks that takes no adapters while it runs, or does not see them', async () => {
    const { command } = settings() as CommandServing;
    const served = await servers.serve(commandServing({ command }), { checkpoint: adapterBase });
    const load = (adapterLoading: 'folder' | 'call', baseUrl = String(served.baseUrl)) =>
      vllmLoraDriver.adapters!.load(
        vllmLoraDriver.configuration.parse({ kind: 'vllm-lora', adapterLoading }),
        {
          ...{ name: 'run-1-0', folder: '/nowhere/run-1-0', base: adapterBase, logFile: '/nowhere/log' },
          ...{ endpoint: { baseUrl, model: 'run-1-0' }, environment: {} },
        },
      );
    await assert.rejects(
      load('folder'),
      /does not find the adapter in \/nowhere\/run-1-0: vLLM must see this folder/,
    );
    await assert.rejects(load('call'), /VLLM_ALLOW_RUNTIME_LORA_UPDATING must reach it/);
    await servers.supervisor.stopServing('run/judge');
    await assert.rejects(load('call'), { name: 'Unanswered', message: /doesn't answer: .*ECONNREFUSED/ });
    const { baseUrl } = await serve(undefined, settings({ adapterLoading: 'call' }));
    await assert.rejects(
      load('call', String(baseUrl)),
      /No adapter found for <path>.*does not find the folder \/nowhere\/run-1-0/,
    );
  });

  it('sends the key of the server, and shows it nowhere', async () => {
    const key = 'k-very-secret-1';
    const command = [...(settings() as { command: string[] }).command, '--api-key', key];
    const { apiKey, model } = await serve('M_1', settings({ command }));
    assert.equal(apiKey, key);
    assert.match(model, /^run-1-/);
    await assert.rejects(
      serve('large', settings({ command })),
      (error: Error) => !error.message.includes(key),
    );
    assert(!servers.logged.join('\n').includes(key));
  });

  it('serves a checkpoint alone if nothing is trained', async () => {
    const { model } = await serve(undefined, settings(), { adapterRank: undefined });
    assert.equal(model, `model-${'a'.repeat(12)}`);
    assert(!existsSync(join(servers.folder, 'state', 'adapters')));
  });
});

/** Changes the checkpoint to one with more places in its MLP. */
function widenModel(folder: string): void {
  const script = `
import json, sys, torch
from safetensors.torch import load_file, save_file
folder = sys.argv[1]
weights = load_file(f"{folder}/model.safetensors")
for name, weight in weights.items():
    if "gate_proj" in name or "up_proj" in name:
        weights[name] = torch.cat([weight, weight])
    if "down_proj" in name:
        weights[name] = torch.cat([weight, weight], 1)
save_file(weights, f"{folder}/model.safetensors")
`;
  execFileSync(python, ['-c', script, folder]);
  const config = join(folder, 'config.json');
  const settings = JSON.parse(readFileSync(config, 'utf8')) as { intermediate_size: number };
  settings.intermediate_size *= 2;
  writeFileSync(config, JSON.stringify(settings));
}
