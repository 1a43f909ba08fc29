import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandServing, type CommandServing } from '../../../src/models/serving/drivers/command.ts';
import {
  createServerSupervisor,
  type ServedEndpoint,
  type ServerSupervisor,
  type ServingRequest,
} from '../../../src/models/serving/supervisor.ts';

type SupervisorOptions = Parameters<typeof createServerSupervisor>[0];

/** A supervisor with a folder of its own, and what a test asks of it. */
export interface SupervisedServers {
  readonly folder: string;
  readonly supervisor: ServerSupervisor;
  /** What the supervisor has logged. */
  readonly logged: readonly string[];
  /** The settings of a server that is a program of the tests and gets the file that `starts` reads. */
  settings(program: string, words?: readonly string[], changed?: Partial<CommandServing>): CommandServing;
  serve(serving: CommandServing, changed?: Partial<ServingRequest>): Promise<ServedEndpoint>;
  /** The lines that the servers have written when they started. */
  starts(): string[];
  close(): Promise<void>;
}

export function superviseServers(changed: Partial<SupervisorOptions> = {}): SupervisedServers {
  const folder = mkdtempSync(join(tmpdir(), 'serving-'));
  const logged: string[] = [];
  const startsFile = join(folder, 'starts');
  const supervisor = createServerSupervisor({
    stateFolder: join(folder, 'state'),
    log: (level, message) => void logged.push(`${level} ${message}`),
    ...{ python: 'python3', storeRoot: folder, packageRoot: folder, cacheFolder: folder },
    environment: { PATH: process.env['PATH'] },
    stopGraceSeconds: 2,
    ...changed,
    monitor: {
      checkIntervalSeconds: 0.05,
      backoff: { initialSeconds: 0.01, maximumSeconds: 0.05 },
      ...changed.monitor,
    },
  });
  return {
    ...{ folder, supervisor, logged },
    settings: (program, words = [], different = {}) =>
      commandServing({
        command: [process.execPath, program, '--port', '{port}', '--starts', startsFile, ...words],
        ...{ servedModelName: '{checkpoint}', startTimeoutSeconds: 60 },
        ...different,
      }),
    serve: (serving, request = {}) =>
      supervisor.ensureServing({
        ...{ serving, checkpoint: '/models/seed', runName: 'run', iteration: 2, owner: 'run/judge' },
        ...request,
      }),
    // The file is there a moment before its first line.
    starts: () => (existsSync(startsFile) ? readFileSync(startsFile, 'utf8').split('\n').slice(0, -1) : []),
    async close() {
      await supervisor.stopAll();
      rmSync(folder, { recursive: true });
    },
  };
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20);
}

/** Sends the model a request, and returns its answer; undefined if there is none. */
export async function askModel(
  { baseUrl, model }: ServedEndpoint,
  maxTokens = 16,
): Promise<string | undefined> {
  const messages = [{ role: 'user', content: 'Hi' }];
  const body = JSON.stringify({ model, max_tokens: maxTokens, temperature: 0, messages });
  try {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${String(baseUrl)}/chat/completions`, { method: 'POST', headers, body });
    const answer = (await response.json()) as { choices: { message: { content: string } }[] };
    return answer.choices[0]?.message.content;
  } catch {
    return undefined;
  }
}
