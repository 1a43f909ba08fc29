/**
 * A real Kubernetes with two nodes on this host: etcd, the API server, the controllers, the scheduler, and for each node a
 * containerd and a kubelet with control groups of their own. There is no registry: the only image is a shell (busybox), and
 * the files of this host are mounted into pods.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { z } from 'zod';
import { callApi, type ApiRequest } from '../../src/models/training/launchers/kubernetes-api.ts';
import { connect } from '../../src/models/training/launchers/kubernetes-connection.ts';
import { freePorts } from '../../src/platform/ports.ts';
import { findOnPath } from '../../src/platform/programs.ts';

const run = promisify(execFile);
const CGROUPS = '/sys/fs/cgroup';
const CONTROLLERS = ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids', 'systemd'];
const PACKAGES = ['etcd-server', 'containerd', 'runc', 'containernetworking-plugins', 'busybox-static'];
/** How the paths of all clusters begin. */
const FOLDERS = join(tmpdir(), 'kubernetes-cluster-');
/** The image of all pods. */
export const IMAGE = 'docker.io/local/shell:1';
export const KUBERNETES_NODES = ['node1', 'node2'] as const;
export type KubernetesNode = (typeof KUBERNETES_NODES)[number];

/** Why there is no Kubernetes here, for a test to skip with; undefined if there is. */
export function whyNoKubernetes(): string | undefined {
  if (process.env.TEST_KUBERNETES !== '1')
    return 'builds Kubernetes from source (10 minutes) with TEST_KUBERNETES=1';
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and the rights of root';
  if (!existsSync(join(CGROUPS, 'memory'))) return 'needs control groups of version 1';
  const install = `apt-get install -y --no-install-recommends ${PACKAGES.join(' ')}`;
  const isInstalled = () => ['etcd', 'containerd', 'runc'].every((name) => findOnPath(name) !== undefined);
  if (isInstalled()) return undefined;
  if (findOnPath('apt-get') === undefined) return `needs ${install}`;
  execFileSync('bash', ['-c', `apt-get update && ${install}`], {
    stdio: 'pipe',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return isInstalled() ? undefined : `${install} did not install it`;
}

export class KubernetesCluster {
  /** The administrator's kubeconfig. */
  readonly kubeconfig: string;
  readonly #program: string;
  readonly #folder: string;
  readonly #ports: readonly number[];
  readonly #token = randomUUID();
  readonly #accounts: Readonly<Record<string, string>>;
  readonly #processes = new Map<string, ChildProcess>();

  /** @param accounts the tokens of users by their names */
  constructor(
    program: string,
    folder: string,
    ports: readonly number[],
    accounts: Readonly<Record<string, string>>,
  ) {
    this.#program = program;
    this.#folder = folder;
    this.#ports = ports;
    this.#accounts = accounts;
    this.kubeconfig = join(folder, 'admin.yaml');
  }

  /** Sends a request as the administrator. */
  async api(path: string, request: ApiRequest = {}): Promise<unknown> {
    const connection = await connect({ context: null, environment: { KUBECONFIG: this.kubeconfig } });
    return callApi(connection, path, z.unknown(), request);
  }

  /** Writes the kubeconfig of an account. */
  writeKubeconfig(file: string, token: string, namespace: string): string {
    const path = join(this.#folder, file);
    const cluster = { server: `https://127.0.0.1:${this.#ports[2]}`, 'insecure-skip-tls-verify': true };
    writeFileSync(
      path,
      stringify({
        ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
        clusters: [{ name: 'test', cluster }],
        users: [{ name: 'test', user: { token } }],
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace } }],
      }),
    );
    return path;
  }

  async start(): Promise<void> {
    this.writeKubeconfig('admin.yaml', this.#token, 'default');
    writeFileSync(
      join(this.#folder, 'tokens.csv'),
      [
        `${this.#token},admin,admin,"system:masters"`,
        ...Object.entries(this.#accounts).map(([user, token]) => `${token},${user},${user}`),
        '',
      ].join('\n'),
    );
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(join(this.#folder, 'sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
    execFileSync('python3', [
      join(import.meta.dirname, '../kubernetes/shell_image.py'),
      IMAGE,
      join(this.#folder, 'image.tar'),
    ]);
    this.startControlPlane();
    await eventually(() => this.api('/api/v1/namespaces/default').then(() => true));
    for (const name of KUBERNETES_NODES) await this.startNode(name);
  }

  startControlPlane(): void {
    const [etcd, peers, api, manager, scheduler] = this.#ports;
    const file = (name: string) => join(this.#folder, name);
    this.#start('etcd', [
      ...['etcd', '--data-dir', file('etcd'), '--log-level', 'error'],
      ...[
        '--listen-client-urls',
        `http://127.0.0.1:${etcd}`,
        '--advertise-client-urls',
        `http://127.0.0.1:${etcd}`,
      ],
      ...['--listen-peer-urls', `http://127.0.0.1:${peers}`],
    ]);
    this.#start('apiserver', [
      ...[this.#program, 'apiserver', '--etcd-servers', `http://127.0.0.1:${etcd}`],
      ...['--secure-port', String(api), '--bind-address', '127.0.0.1', '--advertise-address', '127.0.0.1'],
      ...['--cert-dir', file('certificates'), '--token-auth-file', file('tokens.csv')],
      ...['--authorization-mode', 'RBAC', '--service-account-issuer', 'https://test'],
      ...['--service-account-key-file', file('sa.key'), '--service-account-signing-key-file', file('sa.key')],
      ...['--service-cluster-ip-range', '10.99.0.0/24', '--endpoint-reconciler-type', 'none'],
      ...['--disable-admission-plugins', 'ServiceAccount'],
      ...['--kubelet-preferred-address-types', 'InternalIP'],
    ]);
    const controllers = [
      ...['job-controller', 'pod-garbage-collector-controller', 'garbage-collector-controller'],
      ...['namespace-controller', 'node-lifecycle-controller', 'taint-eviction-controller'],
      ...['resourcequota-controller', 'ttl-after-finished-controller'],
    ];
    this.#start('manager', [
      ...[this.#program, 'controller-manager', '--kubeconfig', this.kubeconfig, '--leader-elect=false'],
      ...[
        '--secure-port',
        String(manager),
        '--bind-address',
        '127.0.0.1',
        '--cert-dir',
        file('certificates'),
      ],
      ...['--controllers', controllers.join(','), '--node-monitor-grace-period', '20s'],
    ]);
    this.#start('scheduler', [
      ...[this.#program, 'scheduler', '--kubeconfig', this.kubeconfig, '--leader-elect=false'],
      ...[
        '--secure-port',
        String(scheduler),
        '--bind-address',
        '127.0.0.1',
        '--cert-dir',
        file('certificates'),
      ],
    ]);
  }

  /** Kills the API server and its database; nodes and pods go on. */
  async killControlPlane(): Promise<void> {
    for (const name of ['scheduler', 'manager', 'apiserver', 'etcd']) await this.#kill(name);
  }

  async startNode(name: KubernetesNode): Promise<void> {
    const index = KUBERNETES_NODES.indexOf(name) + 1;
    const folder = join(this.#folder, name);
    const address = `10.97.0.${index}`;
    const group = groupOf(name);
    for (const made of ['cni', 'kubelet']) mkdirSync(join(folder, made), { recursive: true });
    await run('ip', ['addr', 'add', `${address}/32`, 'dev', 'lo']).catch(() => undefined);
    for (const controller of CONTROLLERS) mkdirSync(join(CGROUPS, controller, group), { recursive: true });
    for (const setting of ['cpuset.cpus', 'cpuset.mems'])
      writeFileSync(join(CGROUPS, 'cpuset', group, setting), readFileSync(join(CGROUPS, 'cpuset', setting)));
    const socket = join(folder, 'containerd.sock');
    writeFileSync(join(folder, 'containerd.toml'), containerdConfiguration(folder, socket));
    writeFileSync(join(folder, 'cni', '10.conflist'), networkConfiguration(folder, index));
    this.#start(`containerd-${name}`, ['containerd', '-c', join(folder, 'containerd.toml')]);
    const ctr = (...command: string[]) => run('ctr', ['-a', socket, '-n', 'k8s.io', ...command]);
    await eventually(async () => {
      await ctr('image', 'import', join(this.#folder, 'image.tar'));
      return (await ctr('image', 'ls', '-q')).stdout.includes(IMAGE);
    });
    const configuration = {
      ...{ apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' },
      authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
      authorization: { mode: 'AlwaysAllow' },
      ...{
        cgroupDriver: 'cgroupfs',
        cgroupRoot: `/${group}`,
        cgroupsPerQOS: true,
        enforceNodeAllocatable: [],
      },
      ...{ failSwapOn: false, containerRuntimeEndpoint: `unix://${socket}` },
      ...{ address, port: 10_250, healthzBindAddress: address, healthzPort: 10_248 },
      ...{ evictionHard: { 'memory.available': '100Mi' }, makeIPTablesUtilChains: false },
      ...{ resolvConf: '', nodeStatusUpdateFrequency: '4s' },
    };
    writeFileSync(join(folder, 'kubelet.yaml'), stringify(configuration));
    this.#start(`kubelet-${name}`, [
      ...[this.#program, 'kubelet', '--kubeconfig', this.kubeconfig],
      ...['--config', join(folder, 'kubelet.yaml'), '--root-dir', join(folder, 'kubelet')],
      ...['--hostname-override', name, '--node-ip', address],
    ]);
    await eventually(async () => {
      const node = nodeSchema.parse(await this.api(`/api/v1/nodes/${name}`));
      return node.status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    });
  }

  /** Kills everything that runs on a node, as if its power was cut. */
  async killNode(name: KubernetesNode): Promise<void> {
    await this.#kill(`kubelet-${name}`);
    await this.#kill(`containerd-${name}`);
    // The shims restart nothing, and each container is in the node's control group.
    for (const process of processesOf(`${join(this.#folder, name)}/`)) killProcess(process);
    for (const process of processesIn(join(CGROUPS, 'pids', groupOf(name)))) killProcess(process);
  }

  async close(): Promise<void> {
    for (const name of KUBERNETES_NODES) await this.killNode(name);
    await this.killControlPlane();
    await removeRemains();
  }

  #start(name: string, command: readonly string[]): void {
    const log = openSync(join(this.#folder, `${name}.log`), 'a');
    // Nothing of the cluster outlives this process.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#processes.set(name, child);
  }

  async #kill(name: string): Promise<void> {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
}

/**
 * Removes what a cluster leaves on this host, also one that a killed test has started. Its control groups and addresses allow
 * only one at a time.
 */
async function removeRemains(): Promise<void> {
  for (const id of processesOf(FOLDERS)) killProcess(id);
  for (const name of KUBERNETES_NODES)
    for (const id of processesIn(join(CGROUPS, 'pids', groupOf(name)))) killProcess(id);
  await sleep(500);
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? []);
  for (const place of mounts.filter((each) => each.startsWith(FOLDERS)).toReversed())
    await run('umount', ['-l', place]).catch(() => undefined);
  for (const [index, name] of KUBERNETES_NODES.entries()) {
    for (const controller of CONTROLLERS) removeGroup(join(CGROUPS, controller, groupOf(name)));
    await run('ip', ['addr', 'del', `10.97.0.${index + 1}/32`, 'dev', 'lo']).catch(() => undefined);
    await run('ip', ['link', 'del', `test-pods${index + 1}`]).catch(() => undefined);
  }
  for (const name of readdirSync(tmpdir()).filter((each) => join(tmpdir(), each).startsWith(FOLDERS)))
    await rm(join(tmpdir(), name), { recursive: true, force: true });
}

function groupOf(name: KubernetesNode): string {
  return `test-${name}`;
}

/** @param accounts the tokens of users by their names */
export async function startKubernetes(
  program: string,
  accounts: Readonly<Record<string, string>> = {},
): Promise<KubernetesCluster> {
  await removeRemains();
  const folder = await mkdtemp(FOLDERS);
  const cluster = new KubernetesCluster(program, folder, await freePorts(5), accounts);
  await cluster.start();
  return cluster;
}

const nodeSchema = z.object({
  status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })) }),
});

function containerdConfiguration(folder: string, socket: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = "${folder}/containerd"
state = "${folder}/containerd-run"
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${socket}.ttrpc"
[${cri}]
  sandbox_image = "${IMAGE}"
  restrict_oom_score_adj = true
  stream_server_port = "0"
  [${cri}.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/cni"
  [${cri}.containerd]
    snapshotter = "overlayfs"
`;
}

function networkConfiguration(folder: string, index: number): string {
  const ipam = {
    ...{ type: 'host-local', ranges: [[{ subnet: `10.98.${index}.0/24` }]] },
    ...{ routes: [{ dst: '0.0.0.0/0' }], dataDir: `${folder}/ipam` },
  };
  const bridge = { type: 'bridge', bridge: `test-pods${index}`, isGateway: true, ipMasq: false, ipam };
  return JSON.stringify({ cniVersion: '0.4.0', name: 'test', plugins: [bridge] });
}

/** The processes whose command line has a text, such as the path of a node's folder in those of the shims of containers. */
function processesOf(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(text);
      } catch {
        return false;
      }
    })
    .map(Number)
    .filter((id) => id !== process.pid);
}

/** The processes in a control group and those below it. */
function processesIn(group: string): number[] {
  return groupsBelow(group).flatMap((each) =>
    readFileSync(join(each, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number),
  );
}

function groupsBelow(group: string): string[] {
  if (!existsSync(group)) return [];
  const below = readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [group, ...below.flatMap(({ name }) => groupsBelow(join(group, name)))];
}

function removeGroup(group: string): void {
  for (const each of groupsBelow(group).toReversed())
    try {
      execFileSync('rmdir', [each], { stdio: 'ignore' });
    } catch {
      // A process in it is still ending.
    }
}

function killProcess(id: number): void {
  try {
    process.kill(id, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await sleep(200);
  }
}
