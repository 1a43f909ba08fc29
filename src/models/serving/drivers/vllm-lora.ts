/**
 * Serves a base and the adapters that a run trains on it by one vLLM: seed model, generator, first judge and each M_i are names at
 * the same server, which a new adapter doesn't stop. Checked on vLLM 0.32 (test/real-servers/vllm-lora.test.ts).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Problem } from '../../../platform/problem.ts';
import { pickedTemplate } from '../../../platform/command-template.ts';
import { findProgram } from '../../../platform/programs.ts';
import { positiveInteger, positiveNumber } from '../../../platform/schema-fields.ts';
import { CANARY_TOLERANCE } from '../adapters/canary.ts';
import { AdapterRefused, Unanswered } from '../adapters/errors.ts';
import type { PublishedAdapter } from '../adapters/publish-adapter.ts';
import { sendJson, type JsonAnswer } from '../adapters/send-json.ts';
import { commandFields, missingKeyProblems } from './command.ts';
import { defineMachineDriver, placeholderProblems, servedModelNameProblems } from './driver.ts';
import { hideKey, keyInSettings } from './server-key.ts';
import { SERVER_PLACEHOLDERS, serverSpec } from './server-spec.ts';

/** The values that vLLM takes for `--max-lora-rank`. */
const MAX_RANKS = [1, 8, 16, 32, 64, 128, 256, 320, 512] as const;
const RESOLVER = 'lora_filesystem_resolver';
const RESOLVER_FOLDER = 'VLLM_LORA_RESOLVER_CACHE_DIR';
/** Options and variables that follow from the settings, with what to do instead. */
const OWN_OPTIONS: Readonly<Record<string, string>> = {
  '--enable-lora': 'remove it: it is set',
  '--max-lora-rank': 'remove it, and set maxLoraRank',
  '--max-loras': 'remove it, and set maxLoras',
};
const OWN_VARIABLES = ['VLLM_ALLOW_RUNTIME_LORA_UPDATING', RESOLVER_FOLDER];
const LOAD_TIMEOUT_SECONDS = 600;

const configuration = z
  .strictObject({
    kind: z
      .literal('vllm-lora')
      .describe(
        'A worker with the role `gpu` starts vLLM with the base model; each judge that the run trains is an adapter of the same server.',
      ),
    ...commandFields,
    command: commandFields.command
      .default([
        ...['vllm', 'serve', '{checkpoint}', '--served-model-name', '{servedModelName}'],
        ...[
          '--host',
          '{host}',
          '--port',
          '{port}',
          '--generation-config',
          'vllm',
          '--disable-uvicorn-access-log',
        ],
      ])
      .describe(
        'Program and arguments that serve the base, as with the kind `command`; the options for adapters are added.',
      ),
    arguments: z
      .array(z.string().min(1))
      .default([])
      .describe('More arguments, such as `--max-model-len` and its value, behind those of `command`.'),
    servedModelName: commandFields.servedModelName.describe(
      "The beginning of an adapter's name at the server; `{runName}`, `{iteration}` and `{checkpoint}` are filled in. The hash of its weights follows.",
    ),
    adapterLoading: z
      .enum(['folder', 'call'])
      .default('folder')
      .describe(
        'How the server gets an adapter: it looks for the name in a folder (also after a restart), or a request to `/load_lora_adapter` tells it.',
      ),
    maxLoraRank: z
      .literal(MAX_RANKS)
      .nullable()
      .default(null)
      .describe('`--max-lora-rank`; null: the smallest value with room for `fineTuning.adapter.rank`.'),
    maxLoras: positiveInteger
      .default(2)
      .describe(
        '`--max-loras`: how many adapters may be in use at once; others are loaded again when they are asked.',
      ),
    canaryTolerance: positiveNumber
      .default(CANARY_TOLERANCE)
      .describe(
        "How far the server's log-probabilities of a new judge's answers may be from the trainer's, in nats for each token; raise it for quantized servers.",
      ),
    gpus: positiveInteger
      .nullable()
      .default(null)
      .describe(
        "How many of the machine's GPUs the server uses; null: all. No other run uses them meanwhile.",
      ),
    stopWhileTraining: z
      .boolean()
      .default(false)
      .describe(
        'Stop the server while the run trains, if both need the same GPUs or memory; then it is started again.',
      ),
  })
  .describe('vLLM with one server for the base model and all adapters that the run trains on it.');

type VllmLoraServing = z.output<typeof configuration>;

export const vllmLoraDriver = defineMachineDriver({
  configuration,
  noun: 'vLLM with adapters',
  needsMachine: true,
  describe: (settings) => `vLLM with adapters: ${hideKey(wordsOf(settings).join(' '), settings)}`,

  problems(path, settings) {
    const words = wordsOf(settings);
    const needed = pickedTemplate(settings.command) === undefined ? ['checkpoint', 'servedModelName'] : [];
    const missing = needed.filter((name) => !words.some((word) => word.includes(`{${name}}`)));
    const own = words.flatMap((word) => {
      const option = word.split('=')[0] ?? '';
      const advice = OWN_OPTIONS[option];
      return advice === undefined ? [] : [`contains ${option}: ${advice}`];
    });
    const variables = OWN_VARIABLES.filter((name) => settings.environment[name] !== undefined);
    return [
      ...missing.map((name) => ({
        path: `${path}.command`,
        message: `does not contain {${name}}: the server must serve the base under the name that the run asks for`,
      })),
      ...[...own, ...severalServers(words)].map((message) => ({ path: `${path}.command`, message })),
      ...variables.map((name) => ({
        path: `${path}.environment.${name}`,
        message: 'remove it: it is set, as adapterLoading says',
      })),
      ...pluginProblems(`${path}.environment.VLLM_PLUGINS`, settings, settings.environment['VLLM_PLUGINS']),
    ];
  },

  trainedJudgeProblems(path, { maxLoraRank }, adapter) {
    const field = 'fineTuning.adapter';
    if (adapter === undefined) return [];
    if (adapter.kind === 'none') {
      const message =
        `found the kind "none" beside ${path}.kind "vllm-lora", which serves each trained judge as an adapter of its base: ` +
        'set it to {"kind": "lora"} to train adapters, or serve whole checkpoints by the kind "command"';
      return [{ path: field, message }];
    }
    const limit = maxLoraRank ?? Math.max(...MAX_RANKS);
    if (adapter.rank <= limit) return [];
    const message =
      maxLoraRank === null
        ? `found ${adapter.rank}, more than ${limit}, the largest rank that vLLM serves`
        : `found ${adapter.rank}, more than ${path}.maxLoraRank (${limit}): leave maxLoraRank out, and it follows from the rank`;
    return [{ path: `${field}.rank`, message }];
  },

  async check({ path, settings, environment, python }) {
    const fields = [...settings.command.entries()].map(
      ([index, word]) => [`command.${index}`, word] as const,
    );
    const more = [...settings.arguments.entries()].map(
      ([index, word]) => [`arguments.${index}`, word] as const,
    );
    const problems = [
      ...[...fields, ...more].flatMap(([field, word]) =>
        placeholderProblems(`${path}.${field}`, word, SERVER_PLACEHOLDERS),
      ),
      ...servedModelNameProblems(path, settings),
      ...missingKeyProblems(path, settings, environment),
    ];
    if (settings.environment['VLLM_PLUGINS'] === undefined)
      problems.push(
        ...pluginProblems(
          `${path}.adapterLoading`,
          settings,
          environment['VLLM_PLUGINS'],
          " of the worker's environment",
        ),
      );
    if (problems.length > 0) return problems;
    const [first = ''] = settings.command;
    const program = (first === '{python}' ? python : first) ?? 'python3';
    if (findProgram(program, environment['PATH'] ?? '') !== undefined) return [];
    const where = program.includes('/') ? '' : ' on the PATH of the worker with role gpu';
    const message = `no program ${program}${where}: install vLLM, or name it by its absolute path`;
    return [{ path: `${path}.command.0`, message }];
  },

  server(settings, values) {
    const { adapterRank, adapterRoot } = values;
    if (adapterRank === undefined || adapterRoot === undefined)
      return serverSpec({ ...settings, command: wordsOf(settings) }, values);
    const rank = settings.maxLoraRank ?? MAX_RANKS.find((value) => value >= adapterRank) ?? adapterRank;
    const options = [
      '--enable-lora',
      '--max-lora-rank',
      String(rank),
      '--max-loras',
      String(settings.maxLoras),
    ];
    const looksInFolder = settings.adapterLoading === 'folder';
    const server = serverSpec(
      {
        ...settings,
        command: [...wordsOf(settings), ...options],
        environment: {
          ...settings.environment,
          VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True',
          ...(looksInFolder ? { [RESOLVER_FOLDER]: 'the folder of the key' } : {}),
        },
      },
      values,
    );
    const adapterFolder = join(adapterRoot, server.key);
    const environment = {
      ...server.environment,
      ...(looksInFolder ? { [RESOLVER_FOLDER]: adapterFolder } : {}),
    };
    return { ...server, environment, adapterFolder };
  },

  usesPython: (settings) => wordsOf(settings).some((word) => word.includes('{python}')),
  key: (settings) => keyInSettings({ ...settings, command: wordsOf(settings) }),
  gpus: ({ gpus }) => gpus,
  stopsWhileTraining: ({ stopWhileTraining }) => stopWhileTraining,
  adapters: {
    canaryTolerance: ({ canaryTolerance }) => canaryTolerance,
    load: ({ adapterLoading }, adapter) =>
      adapterLoading === 'folder' ? resolve(adapter) : loadByCall(adapter),
  },
});

function wordsOf({ command, arguments: more }: Pick<VllmLoraServing, 'command' | 'arguments'>): string[] {
  return [...command, ...more];
}

/** vLLM ends at the start if it has several API servers: each would number adapters by itself. */
function severalServers(words: readonly string[]): string[] {
  const valueOf = (...names: string[]): number | undefined => {
    const index = words.findLastIndex((word) => names.includes(word.split('=')[0] ?? ''));
    const word = words[index];
    if (word === undefined) return undefined;
    return Number(word.includes('=') ? word.slice(word.indexOf('=') + 1) : words[index + 1]);
  };
  const servers = valueOf('--api-server-count', '-asc');
  const replicas = valueOf('--data-parallel-size', '-dp');
  if (servers !== undefined && servers > 1)
    return [
      `asks for ${servers} API servers, and vLLM loads adapters with one only: remove --api-server-count`,
    ];
  if (servers === undefined && replicas !== undefined && replicas > 1)
    return [
      `contains --data-parallel-size ${replicas}, for which vLLM starts as many API servers, and it loads adapters with one only: add --api-server-count 1`,
    ];
  return [];
}

function pluginProblems(
  path: string,
  { adapterLoading }: Pick<VllmLoraServing, 'adapterLoading'>,
  plugins: string | undefined,
  where = '',
): Problem[] {
  if (adapterLoading === 'call' || plugins === undefined || plugins.split(',').includes(RESOLVER)) return [];
  const message = `VLLM_PLUGINS${where} is ${JSON.stringify(plugins)}, without ${RESOLVER}, by which vLLM looks for adapters: add it, or set adapterLoading to "call"`;
  return [{ path, message }];
}

/** Asks the adapter for one token: vLLM looks for its folder, and loads it. */
async function resolve(adapter: PublishedAdapter): Promise<void> {
  const { name, folder, base } = adapter;
  const body = { model: name, prompt: [1], max_tokens: 1, temperature: 0 };
  const answer = await sendJson('completions', body, adapter, LOAD_TIMEOUT_SECONDS);
  if (answer.status === 200) return;
  const said = answer.refused(`the first request to the adapter ${name}`).message;
  if (answer.status === 404)
    throw refused(
      adapter,
      `${said}. It does not find the adapter in ${folder}: vLLM must see this folder (in a container it must be mounted under the same path), load ` +
        `its plugin ${RESOLVER} (VLLM_PLUGINS), and have ${base} as its model, which HF_HUB_OFFLINE changes for ids of the hub. Correct that, or set adapterLoading to "call".`,
    );
  if (isTemporary(answer)) throw new Unanswered(said);
  if (answer.status !== 400) throw refused(adapter, `${said}.`);
  const reason = await reasonInLog(adapter);
  throw refused(
    adapter,
    `${reason === undefined ? `${said}.` : `The server can't load the adapter ${name}: ${reason}.`}${advice(reason ?? said, adapter)}`,
  );
}

/** vLLM's answer to a request doesn't say why an adapter that it has found can't be loaded. */
async function reasonInLog({ name, logFile }: PublishedAdapter): Promise<string | undefined> {
  const log = await readFile(logFile, 'utf8').catch(() => '');
  const lines = log.split('\n').filter((line) => line.includes(`Failed to load LoRA '${name}' resolved by `));
  return /resolved by \S+: (.*?)\.?(?: Trying next resolver\.?)?$/.exec(lines.at(-1)?.trim() ?? '')?.[1];
}

async function loadByCall(adapter: PublishedAdapter): Promise<void> {
  const { name, folder } = adapter;
  const body = { lora_name: name, lora_path: folder };
  const answer = await sendJson('load_lora_adapter', body, adapter, LOAD_TIMEOUT_SECONDS);
  if (answer.status === 200 || /has already been loaded/.test(answer.text)) return;
  const said = answer.refused(`the request to load the adapter ${name}`).message;
  if (answer.status === 404)
    throw refused(
      adapter,
      /No adapter found/.test(answer.text)
        ? `${said}. The server does not find the folder ${folder}: it must see it under this path, also in a container.`
        : `${said}. The server doesn't load adapters while it runs: VLLM_ALLOW_RUNTIME_LORA_UPDATING must reach it, and basePath must be that of its API.`,
    );
  if (isTemporary(answer)) throw new Unanswered(said);
  throw refused(adapter, `${said}.${advice(answer.text, adapter)}`);
}

/** An overload, or an engine that has ended. vLLM also answers 500 if it can't load an adapter. */
function isTemporary({ status, text }: JsonAnswer): boolean {
  return status === 429 || status > 500 || (status === 500 && /Engine(Core|Dead)/.test(text));
}

/** What to do about an error of vLLM's. */
function advice(text: string, { base, folder }: PublishedAdapter): string {
  const [, rank, limit] = /rank (\d+) is greater than max_lora_rank (\d+)/.exec(text) ?? [];
  if (rank !== undefined)
    return ` The adapter's rank is ${rank}, and the server was started for ${limit} at most: leave maxLoraRank out, or set it to ${rank} or more.`;
  if (/size of tensor|size mismatch|shape/i.test(text))
    return ` The adapter in ${folder} was trained on another base than ${base}.`;
  if (/api_server_count|API servers?/i.test(text))
    return ' Start it with one API server (--api-server-count 1).';
  return '';
}

function refused({ logFile }: PublishedAdapter, text: string): AdapterRefused {
  return new AdapterRefused(`${text} Log of the server: ${logFile}.`);
}
