/**
 * A program: keeps a job of Slurm that serves a model, and forwards requests to it, so that the server's address stays the same
 * whichever node it is on. Ends when the job ends; ends the job when it is told to end.
 *
 * slurm-relay.ts HOST PORT STORE_ROOT START_TIMEOUT_SECONDS [OPTION OF SBATCH]... -- COMMAND...
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { machineName } from '../../../platform/machine-name.ts';
import { readJsonIfExists } from '../../../platform/read-json.ts';
import {
  cancelSlurmJob,
  findSlurmJob,
  readSlurmJob,
  SlurmUnavailable,
  submitSlurmJob,
} from '../../../platform/slurm.ts';
import { WAIT_PREFIX } from './server-spec.ts';
import { ADDRESS, RELAY_SIGN, slurmJobScript } from './slurm-job-script.ts';

const POLL_MILLISECONDS = 1000;
const SIGN_MILLISECONDS = 5000;

const [host = '', port = '', storeRoot = '', startTimeoutSeconds = '', ...rest] = process.argv.slice(2);
const end = rest.indexOf('--');
const options = rest.slice(0, end);
const command = rest.slice(end + 1);

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);
const folder = join(storeRoot, '.machines', await machineName(), 'slurm', digest(JSON.stringify(rest)));
const jobName = `self-taught-evaluator-${digest(folder)}`;
const logFile = join(folder, 'server.log');
const addressSchema = z.object({ job: z.string(), host: z.string(), port: z.number() });

let target: { readonly host: string; readonly port: number } | undefined;
let job: string | undefined;
let lastLine = '';
const stopped = new AbortController();

giveSign();
setInterval(giveSign, SIGN_MILLISECONDS);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopped.abort());
forwardRequests();
process.exitCode = await keepJob();
process.exit();

/** Returns the exit code when the job has ended. */
async function keepJob(): Promise<number> {
  try {
    const earlier = await whenSlurmAnswers(() => findSlurmJob(jobName));
    // The job of a relay that was killed.
    if (earlier !== undefined) await whenSlurmAnswers(() => cancelSlurmJob(earlier));
    rmSync(logFile, { force: true });
    writeFileSync(join(folder, 'job.sh'), slurmJobScript(folder, process.cwd(), command));
    job = await whenSlurmAnswers(() => submitOnce(earlier));
    return await followJob(job);
  } catch (error) {
    if (!stopped.signal.aborted) {
      print(error instanceof Error ? error.message : String(error));
      return 1;
    }
    const submitted = job ?? (await findSlurmJob(jobName));
    if (submitted !== undefined) await cancelSlurmJob(submitted);
    rmSync(folder, { recursive: true, force: true });
    return 0;
  }
}

/** A submission without an answer may have succeeded. */
async function submitOnce(earlier: string | undefined): Promise<string> {
  const found = await findSlurmJob(jobName);
  if (found !== undefined && found !== earlier) return found;
  return submitSlurmJob([
    ...['--no-requeue', `--job-name=${jobName}`, `--output=${logFile}`, '--open-mode=append'],
    ...[...options, join(folder, 'job.sh')],
  ]);
}

/** Follows the job until it ends; returns the exit code. */
async function followJob(id: string): Promise<number> {
  const log = { offset: 0 };
  let runsSince: number | undefined;
  let isReached = false;
  for (;;) {
    const state = await whenSlurmAnswers(() => readSlurmJob(id));
    copyLog(log);
    if (state.phase === 'gone') {
      print(state.end?.message ?? `Slurm job ${id} is gone`);
      return 1;
    }
    if (state.phase === 'queued') print(`${WAIT_PREFIX}${state.why}`);
    else {
      if (runsSince === undefined) print(`Slurm job ${id} runs on ${state.node}`);
      runsSince ??= performance.now();
      const address = await readJsonIfExists(join(folder, ADDRESS), addressSchema).catch(() => undefined);
      if (address?.job === id) target = address;
      isReached ||= target !== undefined && (await accepts(target));
      if (!isReached && performance.now() - runsSince > 1000 * Number(startTimeoutSeconds)) {
        print(`The server on ${state.node} accepted no connection within ${startTimeoutSeconds} s.`);
        await cancelSlurmJob(id);
        return 1;
      }
    }
    await sleep(POLL_MILLISECONDS, undefined, stopped);
  }
}

/** Repeats a call until Slurm answers. */
async function whenSlurmAnswers<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    stopped.signal.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof SlurmUnavailable)) throw error;
      print(target === undefined ? `${WAIT_PREFIX}${error.message}` : error.message);
    }
    await sleep(POLL_MILLISECONDS, undefined, stopped);
  }
}

/** Tells the job that this relay lives. A full disk must not end it. */
function giveSign(): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, RELAY_SIGN), String(Date.now()));
  } catch (error) {
    print(String(error));
  }
}

function forwardRequests(): void {
  const listener = createServer((client) => {
    if (target === undefined) {
      client.destroy();
      return;
    }
    const server = connect(target);
    const close = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', close).on('close', close);
    client.pipe(server).pipe(client);
  });
  listener.on('error', (error) => {
    print(error.message);
    stopped.abort();
  });
  listener.listen({ host, port: Number(port) });
}

function accepts(address: { readonly host: string; readonly port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...address, timeout: POLL_MILLISECONDS });
    const is = (reached: boolean) => {
      socket.destroy();
      resolve(reached);
    };
    socket.on('connect', () => is(true));
    for (const event of ['error', 'timeout']) socket.on(event, () => is(false));
  });
}

/** Copies what the server has printed since the last call. */
function copyLog(log: { offset: number }): void {
  try {
    const file = openSync(logFile, 'r');
    const buffer = Buffer.alloc(65_536);
    for (let read = 1; read > 0; log.offset += read) {
      read = readSync(file, buffer, 0, buffer.length, log.offset);
      process.stdout.write(buffer.subarray(0, read));
    }
    closeSync(file);
  } catch {
    // The job has printed nothing yet.
  }
}

/** Prints a line, unless it is the same as the last one. */
function print(line: string): void {
  if (line !== lastLine) process.stdout.write(`${line}\n`);
  lastLine = line;
}
