/**
 * Finds the Kubernetes API server and the credentials for it: by a kubeconfig (`KUBECONFIG`, `~/.kube/config`), else by the
 * service account of this pod. Both are read again for each request, because tokens are renewed in their files.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Agent } from 'undici';
import { z } from 'zod';
import { ownEnvironment } from '../../../platform/process-environment.ts';
import { homeFolder } from '../../../platform/user.ts';
import { LauncherUnavailable } from './launcher.ts';

export interface Connection {
  /** Without a slash at the end. */
  readonly server: string;
  /** The namespace of the context or of the service account. */
  readonly namespace: string;
  /** The header; undefined if a client certificate authenticates. */
  readonly authorization: string | undefined;
  readonly dispatcher: Agent;
}

export interface ConnectOptions {
  /** The context of the kubeconfig; null: its current one. */
  readonly context: string | null;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly serviceAccountFolder?: string;
}

const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** This machine has no access to Kubernetes, or its kubeconfig is invalid. */
export class NotConnected extends Error {
  override readonly name = 'NotConnected';
}

/** @throws NotConnected, which says what is missing */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { context, environment = process.env, serviceAccountFolder = SERVICE_ACCOUNT_FOLDER } = options;
  const files = kubeconfigFiles(environment);
  if (files.length > 0) return connectByKubeconfig(files, context);
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment;
  if (!host || !port)
    throw new NotConnected(
      'there is no Kubernetes: KUBECONFIG and ~/.kube/config name no file, and this is no pod with a service account',
    );
  if (context !== null)
    throw new NotConnected(`launcher.context is ${context}, but there is no kubeconfig with contexts`);
  const read = (name: string) => readFile(join(serviceAccountFolder, name), 'utf8');
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    namespace: (await read('namespace')).trim(),
    authorization: `Bearer ${(await read('token')).trim()}`,
    dispatcher: agentFor({ ca: await read('ca.crt') }),
  };
}

const text = z.string().min(1).optional().catch(undefined);
const execSchema = z.object({
  apiVersion: z.string(),
  command: z.string(),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
});
const userSchema = z.object({
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  exec: execSchema.optional(),
});
const clusterSchema = z.object({
  server: z.string(),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'insecure-skip-tls-verify': z.boolean().optional(),
  'tls-server-name': text,
});
const contextSchema = z.object({ cluster: z.string(), user: z.string(), namespace: text });
const kubeconfigSchema = z.object({
  'current-context': text,
  clusters: z.array(z.object({ name: z.string(), cluster: clusterSchema })).nullish(),
  users: z.array(z.object({ name: z.string(), user: userSchema.nullable() })).nullish(),
  contexts: z.array(z.object({ name: z.string(), context: contextSchema })).nullish(),
});
type Exec = z.output<typeof execSchema>;

/** The kubeconfig files that exist. */
function kubeconfigFiles(environment: Readonly<Record<string, string | undefined>>): string[] {
  const { KUBECONFIG } = environment;
  const files = KUBECONFIG
    ? KUBECONFIG.split(delimiter).filter((file) => file !== '')
    : [join(homeFolder(environment), '.kube', 'config')];
  return files.filter((file) => existsSync(file));
}

async function connectByKubeconfig(files: readonly string[], wanted: string | null): Promise<Connection> {
  const configs = await Promise.all(files.map(readKubeconfig));
  // The first file that has an entry counts.
  const find = <Entry extends { readonly name: string }>(
    kind: string,
    name: string | undefined,
    entriesOf: (config: (typeof configs)[number]) => readonly Entry[] | null | undefined,
  ) => {
    for (const config of configs) {
      const entry = (entriesOf(config) ?? []).find((each) => each.name === name);
      if (entry !== undefined) return { ...entry, folder: config.folder };
    }
    throw new NotConnected(
      `${files.join(', ')}: there is no ${kind} ${name ?? '(current-context is not set)'}`,
    );
  };
  const name = wanted ?? configs.find((config) => config['current-context'])?.['current-context'];
  const { context } = find('context', name, ({ contexts }) => contexts);
  const { cluster, ...clusterEntry } = find('cluster', context.cluster, ({ clusters }) => clusters);
  const { user, ...userEntry } = find('user', context.user, ({ users }) => users);
  const pem = async (data: string | undefined, file: string | undefined, folder: string) => {
    if (data !== undefined) return Buffer.from(data, 'base64').toString();
    return file === undefined ? undefined : readFile(resolve(folder, file), 'utf8');
  };
  const fromProgram = user?.exec === undefined ? undefined : await runCredentialProgram(user.exec);
  const tokenFile =
    user?.tokenFile === undefined
      ? undefined
      : (await readFile(resolve(userEntry.folder, user.tokenFile), 'utf8')).trim();
  const token = fromProgram?.token ?? tokenFile ?? user?.token;
  const basic =
    user?.username === undefined
      ? undefined
      : `Basic ${Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')}`;
  const [authority, authorityFile] = [
    cluster['certificate-authority-data'],
    cluster['certificate-authority'],
  ];
  return {
    server: cluster.server.replace(/\/+$/, ''),
    namespace: context.namespace ?? 'default',
    authorization: token === undefined ? basic : `Bearer ${token}`,
    dispatcher: agentFor({
      ca: await pem(authority, authorityFile, clusterEntry.folder),
      cert:
        fromProgram?.clientCertificateData ??
        (await pem(user?.['client-certificate-data'], user?.['client-certificate'], userEntry.folder)),
      key:
        fromProgram?.clientKeyData ??
        (await pem(user?.['client-key-data'], user?.['client-key'], userEntry.folder)),
      servername: cluster['tls-server-name'],
      rejectUnauthorized: cluster['insecure-skip-tls-verify'] === true ? false : undefined,
    }),
  };
}

async function readKubeconfig(file: string) {
  // Loaded only if needed: the client reads the launcher's configuration fields, and has no YAML parser.
  const { parse } = await import('yaml');
  const content = await readFile(file, 'utf8');
  try {
    return { ...kubeconfigSchema.parse(parse(content)), folder: dirname(resolve(file)) };
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new NotConnected(`${file} is no kubeconfig: ${reason.replaceAll(/\s*\n\s*/g, '; ')}`, {
      cause: error,
    });
  }
}

const credentialSchema = z.object({
  status: z.object({
    token: text,
    clientCertificateData: text,
    clientKeyData: text,
    expirationTimestamp: text,
  }),
});
type Credential = z.output<typeof credentialSchema>['status'];

/** The credentials of each program until they expire, such as those of `aws eks get-token`. */
const credentials = new Map<string, { readonly until: number; readonly credential: Credential }>();

async function runCredentialProgram(exec: Exec): Promise<Credential> {
  const key = JSON.stringify(exec);
  const cached = credentials.get(key);
  if (cached !== undefined && Date.now() < cached.until) return cached.credential;
  const { apiVersion, command, args, env } = exec;
  const request = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
  const variables = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  try {
    const { stdout } = await promisify(execFile)(command, args ?? [], {
      timeout: 60_000,
      env: {
        ...ownEnvironment('kubernetes'),
        ...variables,
        KUBERNETES_EXEC_INFO: JSON.stringify(request),
      },
    });
    const credential = credentialSchema.parse(JSON.parse(stdout)).status;
    const { expirationTimestamp } = credential;
    // Renewed early, so that no request arrives after the end. Without an end they are requested again each minute.
    const until =
      expirationTimestamp === undefined ? Date.now() + 60_000 : Date.parse(expirationTimestamp) - 30_000;
    credentials.set(key, { until, credential });
    return credential;
  } catch (error) {
    throw new LauncherUnavailable(
      `${command} gave no credentials for Kubernetes: ${(error as Error).message}`,
    );
  }
}

interface TlsOptions {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
}

/** Connections are kept, one pool for each certificate. */
const agents = new Map<string, Agent>();

function agentFor(options: TlsOptions): Agent {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const key = JSON.stringify(given);
  const agent = agents.get(key) ?? new Agent({ connect: given });
  agents.set(key, agent);
  return agent;
}
