/**
 * A double of the Kubernetes API server for the few requests that the launcher sends, over TLS. Its pods are processes of
 * this machine, or what a test says they are. It refuses in the words that a real server of version 1.34 was recorded with.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { sendSignal } from '../../src/platform/process-group.ts';
import { createAuthority } from './certificates.ts';

export interface Manifest {
  metadata: {
    name: string;
    labels: Record<string, string>;
    deletionTimestamp?: string;
  };
  spec: {
    completions: number;
    suspend?: boolean;
    template: { spec: { containers: Container[] } };
  };
  status?: object;
}

interface Container {
  readonly name: string;
  readonly command: [string, ...string[]];
  readonly workingDir: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
}

export interface Pod {
  metadata: { name: string; labels: Record<string, string>; deletionTimestamp?: string };
  spec: { nodeName?: string };
  status: {
    phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
    reason?: string;
    message?: string;
    conditions?: object[];
    containerStatuses?: object[];
  };
}

interface Refusal {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
}

type Answer = (request: { method: string; path: string; query: URLSearchParams; body: unknown }) => unknown;

export class KubernetesApi {
  readonly jobs = new Map<string, Manifest>();
  readonly pods = new Map<string, Pod>();
  readonly events: { name: string; reason: string; message: string; lastTimestamp: string }[] = [];
  readonly quotas: { metadata: { name: string }; spec: { hard: Record<string, string> } }[] = [];
  /** Each request as `METHOD path?query`. */
  readonly requests: string[] = [];
  /** What the account may not do, such as `delete pods`. */
  readonly forbidden = new Set<string>();
  readonly certificate: string;
  readonly token = randomUUID();
  /** A test's own answers come first; undefined leaves the request to this server. */
  answer: Answer = () => undefined;
  /** Set if the pods of a new Job run as processes. */
  runsPods = false;
  readonly #server: Server;
  readonly #folder: string;
  readonly #processes = new Map<string, ChildProcess>();

  constructor(server: Server, certificate: string, folder: string) {
    this.#server = server;
    this.certificate = certificate;
    this.#folder = folder;
    server.on('request', (request, response) => {
      void this.#respond(request).then(
        ({ code, body }) => {
          response.writeHead(code, { 'content-type': 'application/json' });
          response.end(JSON.stringify(body));
        },
        (error: unknown) => {
          // A client that gives a request up, or is killed, is no fault of a test.
          if (!request.destroyed || request.complete) throw error;
        },
      );
    });
  }

  get address(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Writes a kubeconfig with one context, `test`, whose namespace is `judges`; returns its path. */
  async writeKubeconfig(user: object = { token: this.token }, name = 'kubeconfig'): Promise<string> {
    const file = join(this.#folder, name);
    const authority = Buffer.from(this.certificate).toString('base64');
    await writeFile(
      file,
      stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [
          { name: 'here', cluster: { server: this.address, 'certificate-authority-data': authority } },
        ],
        users: [{ name: 'someone', user }],
        contexts: [{ name: 'test', context: { cluster: 'here', user: 'someone', namespace: 'judges' } }],
        'current-context': 'test',
      }),
    );
    return file;
  }

  /** Kills the processes of a pod, and tells of it what Kubernetes tells of a pod whose node it no longer hears of. */
  loseNode(pod: Pod): void {
    const process = this.#processes.get(pod.metadata.name);
    this.#processes.delete(pod.metadata.name);
    if (process?.pid !== undefined) sendSignal(-process.pid, 'SIGKILL');
    pod.status.conditions = [{ type: 'Ready', status: 'False' }];
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async close(): Promise<void> {
    for (const process of this.#processes.values())
      if (process.pid !== undefined) sendSignal(-process.pid, 'SIGKILL');
    if (this.#server.listening) await this.stop();
    await rm(this.#folder, { recursive: true });
  }

  async #respond(request: IncomingMessage): Promise<{ code: number; body: unknown }> {
    const chunks = (await request.toArray()) as Buffer[];
    const content = Buffer.concat(chunks).toString();
    const { pathname: path, searchParams: query } = new URL(request.url ?? '', this.address);
    const method = request.method ?? '';
    this.requests.push(`${method} ${decodeURIComponent(request.url ?? '')}`);
    const refuse = ({ code, reason, message }: Refusal) => ({
      code,
      body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code },
    });
    if (request.headers.authorization !== `Bearer ${this.token}`)
      return refuse({ code: 401, reason: 'Unauthorized', message: 'Unauthorized' });
    const body: unknown = content === '' ? undefined : JSON.parse(content);
    try {
      const own = this.answer({ method, path, query, body });
      return { code: 200, body: own ?? this.#handle(method, path, query, body) };
    } catch (error) {
      if (error instanceof Refused) return refuse(error.refusal);
      throw error;
    }
  }

  #handle(method: string, path: string, query: URLSearchParams, body: unknown): unknown {
    if (path.endsWith('/selfsubjectaccessreviews')) {
      const { verb, resource } = (
        body as { spec: { resourceAttributes: { verb: string; resource: string } } }
      ).spec.resourceAttributes;
      return { status: { allowed: !this.forbidden.has(`${verb} ${resource}`) } };
    }
    const [, kind = '', name = ''] = /\/namespaces\/judges\/(\w+)(?:\/(.+))?$/.exec(path) ?? [];
    if (kind === 'resourcequotas') return { items: this.quotas };
    if (kind === 'events') {
      const [, about] = /involvedObject\.name=([^,]+)/.exec(query.get('fieldSelector') ?? '') ?? [];
      return { items: this.events.filter((event) => event.name === about) };
    }
    if (kind === 'pods' && method === 'GET') {
      const [label = '', value] = (query.get('labelSelector') ?? '').split('=');
      return { items: [...this.pods.values()].filter(({ metadata }) => metadata.labels[label] === value) };
    }
    if (kind === 'pods' && method === 'DELETE') return this.#deletePod(name);
    if (kind === 'jobs' && method === 'POST')
      return this.#createJob(body as Manifest, query.get('dryRun') === 'All');
    const job = this.jobs.get(name);
    if (kind !== 'jobs' || job === undefined) throw notFound(`${kind}.batch`, name);
    if (method === 'DELETE') {
      job.metadata.deletionTimestamp = new Date().toISOString();
      this.#control(job);
    }
    return job;
  }

  #createJob(job: Manifest, isDryRun: boolean): Manifest {
    const { name } = job.metadata;
    if (this.jobs.has(name))
      throw new Refused({
        code: 409,
        reason: 'AlreadyExists',
        message: `jobs.batch "${name}" already exists`,
      });
    if (isDryRun) return job;
    this.jobs.set(name, job);
    if (this.runsPods) for (let index = 0; index < job.spec.completions; index += 1) this.#runPod(job, index);
    return job;
  }

  /** Adds a pod of a Job, in the state that a test gives. */
  addPod(job: Manifest, status: Pod['status'], nodeName?: string): Pod {
    const name = `${job.metadata.name}-0-${randomUUID().slice(0, 5)}`;
    const labels = { 'batch.kubernetes.io/job-name': job.metadata.name };
    const pod = {
      metadata: { name, labels },
      spec: nodeName === undefined ? {} : { nodeName },
      status,
    };
    this.pods.set(name, pod);
    return pod;
  }

  #runPod(job: Manifest, index: number): void {
    const { command, workingDir, env } = job.spec.template.spec.containers[0] as Container;
    const pod = this.addPod(
      job,
      { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
      `node-${index}`,
    );
    const variables = Object.fromEntries(env.map(({ name, value }) => [name, value ?? '127.0.0.1']));
    // Kubernetes reads `$$` as `$`.
    const [program, ...rest] = command.map((argument) => argument.replaceAll('$$', '$'));
    const child = spawn(program ?? '', rest, {
      detached: true,
      cwd: workingDir,
      env: { PATH: process.env.PATH, ...variables, JOB_COMPLETION_INDEX: String(index) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (output = `${output}${data.toString()}`.slice(-2048)));
    this.#processes.set(pod.metadata.name, child);
    child.on('close', (code, signal) => {
      if (!this.#processes.delete(pod.metadata.name)) return; // Nobody hears of the node any more.
      const exitCode = code ?? (signal === 'SIGKILL' ? 137 : 143);
      pod.status = {
        phase: exitCode === 0 ? 'Succeeded' : 'Failed',
        containerStatuses: [
          {
            name: 'trainer',
            state: {
              terminated: {
                exitCode,
                reason: exitCode === 0 ? 'Completed' : 'Error',
                finishedAt: new Date().toISOString(),
                ...(exitCode === 0 ? {} : { message: output }),
              },
            },
          },
        ],
      };
      if (pod.metadata.deletionTimestamp !== undefined) this.pods.delete(pod.metadata.name);
      this.#control(job);
    });
  }

  #deletePod(name: string): Pod {
    const pod = this.pods.get(name);
    if (pod === undefined) throw notFound('pods', name);
    pod.metadata.deletionTimestamp = new Date().toISOString();
    const process = this.#processes.get(name);
    if (process?.pid === undefined) this.pods.delete(name);
    else sendSignal(-process.pid, 'SIGKILL');
    for (const job of this.jobs.values()) this.#control(job);
    return pod;
  }

  /** What the controller of Jobs does after a change. */
  #control(job: Manifest): void {
    const pods = [...this.pods.values()].filter(
      ({ metadata }) => metadata.labels['batch.kubernetes.io/job-name'] === job.metadata.name,
    );
    if (job.metadata.deletionTimestamp !== undefined) {
      if (pods.every(({ status }) => status.phase === 'Succeeded' || status.phase === 'Failed'))
        this.jobs.delete(job.metadata.name);
      return;
    }
    const hasFailed = pods.some(({ status }) => status.phase === 'Failed');
    const running = pods.filter(({ status }) => status.phase === 'Running');
    if (running.length > 0) {
      for (const { metadata } of hasFailed ? running : []) {
        const process = this.#processes.get(metadata.name);
        if (process?.pid !== undefined) sendSignal(process.pid, 'SIGTERM');
      }
      return;
    }
    const failure = {
      type: 'Failed',
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
    };
    job.status = { conditions: [{ ...(hasFailed ? failure : { type: 'Complete' }), status: 'True' }] };
  }
}

/** Thrown by the answers of a test. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

function notFound(kind: string, name: string): Refused {
  return new Refused({ code: 404, reason: 'NotFound', message: `${kind} "${name}" not found` });
}

export async function startKubernetesApi(): Promise<KubernetesApi> {
  const authority = await createAuthority('cluster');
  const { certificate, key } = await authority.issue('kube-apiserver', {
    usage: 'server',
    names: [{ type: 'dns', value: 'localhost' }],
  });
  const server = createServer({ cert: certificate, key });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  return new KubernetesApi(server, authority.certificate, await mkdtemp(join(tmpdir(), 'kubernetes-')));
}
