import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { DEFAULT_TASK_QUEUE, ROLES, taskQueueForRole } from '../../src/api/task-queues.ts';
import { PERMISSIONS } from '../../src/models/training/launchers/kubernetes.ts';
import { policySchema } from '../../src/policy/policy-schema.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { WORKER_OPTIONS, type WorkerOptionTexts } from '../../src/worker/options.ts';
import { parseWorkerSettings } from '../../src/worker/settings.ts';

const folder = join(packageRoot, 'deploy', 'kubernetes');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: never;
}

interface Deployment {
  readonly selector: { readonly matchLabels: object };
  readonly template: {
    readonly metadata: { readonly labels: object };
    readonly spec: {
      readonly serviceAccountName?: string;
      readonly terminationGracePeriodSeconds: number;
      readonly containers: readonly [
        {
          readonly image: string;
          readonly args: readonly string[];
          readonly volumeMounts: readonly [{ readonly mountPath: string }, { readonly mountPath: string }];
        },
      ];
      readonly volumes: readonly [
        { readonly persistentVolumeClaim: { readonly claimName: string } },
        { readonly configMap: { readonly name: string } },
      ];
    };
  };
}

describe('the manifests for Kubernetes', () => {
  const files = readdirSync(folder).filter((name) => name !== 'kustomization.yaml');
  const resources = files.flatMap((name) =>
    parseAllDocuments(read(name)).map((document) => document.toJS() as Resource),
  );
  const named = (kind: string, name: string) => {
    const found = resources.find((each) => each.kind === kind && each.metadata.name === name);
    assert(found !== undefined, `${kind} ${name}`);
    return found;
  };

  it('have a Deployment for each role, whose workers take its options and mount the store', () => {
    for (const role of ROLES) {
      const { template, selector } = named('Deployment', role).spec as Deployment;
      assert.deepEqual(template.metadata.labels, selector.matchLabels);
      const { containers, terminationGracePeriodSeconds, volumes } = template.spec;
      const [{ args, volumeMounts, image }] = containers;
      assert.equal(
        image,
        (parse(read('kustomization.yaml')) as { images: [{ name: string }] }).images[0].name,
      );
      assert.equal(args[0], 'worker');
      const options = Object.fromEntries(
        Object.entries(WORKER_OPTIONS).map(([name, option]) => [
          name,
          { ...option, type: 'string' as const },
        ]),
      );
      const { values } = parseArgs({ args: args.slice(1), options });
      const texts = { ...values, policy: undefined } as unknown as WorkerOptionTexts;
      const settings = parseWorkerSettings(texts, 'python3', {});
      assert.equal(values['policy'], join(volumeMounts[1].mountPath, 'policy.json'));
      named('ConfigMap', volumes[1].configMap.name);
      assert.deepEqual(settings.roles, [role]);
      assert.equal(settings.storeRoot, volumeMounts[0].mountPath);
      assert(terminationGracePeriodSeconds > Number(values['shutdown-grace-seconds']));
      named('PersistentVolumeClaim', volumes[0].persistentVolumeClaim.claimName);
    }
  });

  it('have a policy, and so has the example for a shared cluster, which names what it must by valid fields', () => {
    const { data } = named('ConfigMap', 'policy') as unknown as { data: Record<string, string> };
    const { kubernetes } = policySchema.parse(JSON.parse(data['policy.json'] ?? ''));
    assert.deepEqual(kubernetes?.claims, ['store']);
    const example = policySchema.parse(
      JSON.parse(readFileSync(join(packageRoot, 'deploy/policy.json'), 'utf8')),
    );
    assert.deepEqual(Object.keys(example.commands.templates), ['vllm-8b']);
  });

  it('allow the role gpu what the launcher needs, and nobody else anything', () => {
    const accounts = ROLES.map((role) => {
      const { template } = named('Deployment', role).spec as Deployment;
      return template.spec.serviceAccountName;
    });
    assert.deepEqual(accounts, [undefined, undefined, 'trainings']);
    named('ServiceAccount', 'trainings');
    const { rules } = named('Role', 'trainings') as unknown as {
      rules: { apiGroups: [string]; resources: string[]; verbs: string[] }[];
    };
    const allowed = rules.flatMap(({ apiGroups: [group], resources, verbs }) =>
      resources.flatMap((resource) => verbs.map((verb) => ({ verb, group, resource }))),
    );
    const text = (each: object) => JSON.stringify(each);
    const needed = [
      ...PERMISSIONS,
      { verb: 'create', group: 'batch', resource: 'jobs' },
      { verb: 'list', group: '', resource: 'resourcequotas' },
    ];
    assert.deepEqual(allowed.map(text).sort(), needed.map(text).sort());
  });

  it('scale a Deployment by the queue of its role', () => {
    const { scaleTargetRef, triggers } = named('ScaledObject', 'inference').spec as {
      scaleTargetRef: { name: string };
      triggers: [{ type: string; metadata: Record<string, string> }];
    };
    named('Deployment', scaleTargetRef.name);
    const [{ type, metadata }] = triggers;
    assert.equal(type, 'temporal');
    assert.equal(metadata['taskQueue'], taskQueueForRole('inference', DEFAULT_TASK_QUEUE));
  });

  it('are all in one namespace, and all in the kustomization but for the one that needs KEDA', () => {
    const kustomization = parse(read('kustomization.yaml')) as { namespace: string; resources: string[] };
    for (const { kind, metadata } of resources)
      assert.equal(kind === 'Namespace' ? metadata.name : metadata.namespace, kustomization.namespace);
    assert.deepEqual([...kustomization.resources, 'scaling.yaml'].sort(), files.sort());
  });
});
