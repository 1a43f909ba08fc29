import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePython } from '../../../src/cli/setup/python-environment.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';

describe('a checkpoint folder of an attacker', function () {
  this.timeout(600_000);
  let folder: string;
  const mark = () => join(folder, 'was-run');
  const at = (...names: string[]) => join(folder, ...names);

  function change(file: string, changes: object): void {
    const before = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...before, ...changes }));
  }

  /** Changes a copy of the embedded model. */
  const attacks: Record<string, { change: (model: string) => void; refusal: RegExp | undefined }> = {
    'with code for a model type of its own': {
      change(model) {
        writeFileSync(join(model, 'own.py'), `open(${JSON.stringify(mark())}, 'w')`);
        change(join(model, 'config.json'), {
          model_type: 'own',
          auto_map: { AutoConfig: 'own.Configuration', AutoModelForCausalLM: 'own.Model' },
        });
      },
      refusal: /contains custom code/,
    },
    'with code for a known model and its tokenizer': {
      change(model) {
        writeFileSync(join(model, 'own.py'), `open(${JSON.stringify(mark())}, 'w')`);
        change(join(model, 'config.json'), {
          auto_map: { AutoConfig: 'own.Configuration', AutoModelForCausalLM: 'own.Model' },
        });
        change(join(model, 'tokenizer_config.json'), { auto_map: { AutoTokenizer: ['own.T', 'own.T'] } });
      },
      // The library's own classes read it.
      refusal: undefined,
    },
    'with pickled weights': {
      change(model) {
        rmSync(join(model, 'model.safetensors'));
        const program = `cos\nsystem\n(S'touch ${mark()}'\ntR.`;
        writeFileSync(join(model, 'pytorch_model.bin'), program);
      },
      refusal: /no weights in safetensors format/,
    },
    'that is an adapter of a model elsewhere': {
      change(model) {
        const adapter = {
          peft_type: 'LORA',
          base_model_name_or_path: at('elsewhere'),
          r: 1,
          target_modules: ['q_proj'],
        };
        writeFileSync(join(model, 'adapter_config.json'), JSON.stringify(adapter));
      },
      refusal: /it is an adapter of .*elsewhere.*: merge it into that model first/,
    },
    'with a chat template that leaves its sandbox': {
      change(model) {
        const template = `{{ cycler.__init__.__globals__.os.system('touch ${mark()}') }}`;
        writeFileSync(join(model, 'chat_template.jinja'), template);
      },
      refusal: /SecurityError/,
    },
  };
  let said: string[][];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hostile-checkpoint-'));
    const models = Object.values(attacks).map((attack, index) => {
      const model = at(String(index));
      cpSync(join(packageRoot, 'embedded/model'), model, { recursive: true });
      attack.change(model);
      return model;
    });
    const script = join(import.meta.dirname, 'hostile_checkpoint.py');
    const output = execFileSync(await ensurePython(), [script, ...models], {
      encoding: 'utf8',
      cwd: packageRoot,
      env: { ...process.env, PYTHONPATH: packageRoot, HF_HUB_OFFLINE: '1' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    said = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as string[]);
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const [index, [name, { refusal }]] of Object.entries(attacks).entries())
    it(name, () => {
      if (refusal === undefined) assert.deepEqual(said[index], []);
      else assert.match(said[index]?.join('\n') ?? '', refusal);
    });

  it('runs nothing', () => assert.equal(existsSync(mark()), false));
});
