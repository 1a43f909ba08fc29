import assert from 'node:assert/strict';
import { podTemplateProblems } from '../../src/policy/pod-template.ts';
import { policySchema } from '../../src/policy/policy-schema.ts';

const rules = policySchema.parse({
  kubernetes: {
    images: ['registry.example.com/trainer:*'],
    serviceAccounts: ['trainings'],
    claims: ['store'],
    secrets: ['hub-token'],
  },
}).kubernetes!;

const container = {
  name: 'trainer',
  image: 'registry.example.com/trainer:1.2',
  resources: { limits: { 'nvidia.com/gpu': 8 } },
  env: [{ name: 'HF_TOKEN', valueFrom: { secretKeyRef: { name: 'hub-token', key: 'token' } } }],
  volumeMounts: [{ name: 'store', mountPath: '/shared/runs' }],
};
const volumes = [{ name: 'store', persistentVolumeClaim: { claimName: 'store' } }];
const pathsOf = (spec: object, changes: object = {}, metadata: object = {}) =>
  podTemplateProblems(rules, 'podTemplate', {
    metadata,
    spec: { containers: [{ ...container, ...changes }], volumes, ...spec },
  }).map(({ path }) => path.replace('podTemplate.', ''));

describe('the policy: pod templates of Kubernetes', () => {
  it('may have what the operator names, and what keeps a pod apart', () => {
    const securityContext = {
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
      allowPrivilegeEscalation: false,
    };
    const spec = {
      serviceAccountName: 'trainings',
      nodeSelector: { gpu: 'h100' },
      tolerations: [{ operator: 'Exists' }],
    };
    assert.deepEqual(pathsOf(spec, { securityContext }, { labels: { team: 'a' } }), []);
  });

  for (const [what, spec, changes, path] of [
    ['the network of the node', { hostNetwork: true }, {}, 'spec.hostNetwork'],
    ['the processes of the node', { hostPID: true }, {}, 'spec.hostPID'],
    ['the memory of other processes', { hostIPC: true }, {}, 'spec.hostIPC'],
    [
      'a path of the node',
      { volumes: [{ name: 'x', hostPath: { path: '/' } }] },
      {},
      'spec.volumes.0.hostPath',
    ],
    [
      'another claim',
      { volumes: [{ name: 'x', persistentVolumeClaim: { claimName: 'y' } }] },
      {},
      'spec.volumes.0.persistentVolumeClaim.claimName',
    ],
    [
      'another secret',
      { volumes: [{ name: 'x', secret: { secretName: 'y' } }] },
      {},
      'spec.volumes.0.secret.secretName',
    ],
    [
      'a token by a projected volume',
      { volumes: [{ name: 'x', projected: { sources: [] } }] },
      {},
      'spec.volumes.0.projected',
    ],
    ['another account', { serviceAccountName: 'admin' }, {}, 'spec.serviceAccountName'],
    ['another account by its old name', { serviceAccount: 'admin' }, {}, 'spec.serviceAccount'],
    [
      'the token of its account',
      { automountServiceAccountToken: true },
      {},
      'spec.automountServiceAccountToken',
    ],
    ['a node by its name', { nodeName: 'control-plane' }, {}, 'spec.nodeName'],
    ['another container', { initContainers: [{ name: 'x' }] }, {}, 'spec.initContainers'],
    [
      'privilege',
      {},
      { securityContext: { privileged: true } },
      'spec.containers.0.securityContext.privileged',
    ],
    [
      'capabilities',
      {},
      { securityContext: { capabilities: { add: ['SYS_ADMIN'] } } },
      'spec.containers.0.securityContext.capabilities.add',
    ],
    [
      'more privileges',
      {},
      { securityContext: { allowPrivilegeEscalation: true } },
      'spec.containers.0.securityContext.allowPrivilegeEscalation',
    ],
    ['another image', {}, { image: 'evil.example.com/x' }, 'spec.containers.0.image'],
    ['a program of its own', {}, { command: ['sh'] }, 'spec.containers.0.command'],
    ['a program at its end', {}, { lifecycle: { preStop: {} } }, 'spec.containers.0.lifecycle'],
    [
      'a port of the node',
      {},
      { ports: [{ containerPort: 1, hostPort: 1 }] },
      'spec.containers.0.ports.0.hostPort',
    ],
    [
      'all of a secret',
      {},
      { envFrom: [{ secretRef: { name: 'y' } }] },
      'spec.containers.0.envFrom.0.secretRef.name',
    ],
  ] as const)
    it(`must not have ${what}`, () => {
      assert.deepEqual(pathsOf(spec, changes), [path]);
    });

  it('must not have annotations that are not named, which webhooks may act on', () => {
    assert.deepEqual(pathsOf({}, {}, { annotations: { 'vault.example.com/inject': 'x' } }), [
      'metadata.annotations.vault.example.com/inject',
    ]);
  });
});
