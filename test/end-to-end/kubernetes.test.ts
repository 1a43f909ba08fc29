import assert from 'node:assert/strict';
import type { RunResult } from '../../src/client/index.ts';
import { newestStart } from '../../src/models/training/trainer-starts.ts';
import { findKubernetes } from '../../tools/setup/kubernetes.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { HELD_STEP, heldTrainer, HeldTrainings, startExample } from '../support/held-example.ts';
import { hostPod } from '../support/host-pod.ts';
import {
  startKubernetes,
  whyNoKubernetes,
  type KubernetesCluster,
  type KubernetesNode,
} from '../support/kubernetes-cluster.ts';
import { waitForProgress } from '../support/tiny-run.ts';
import { openObjectStore } from '../../src/store/drivers.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';

describe('the embedded example on Kubernetes', function () {
  this.timeout(1_200_000);
  let kubernetes: KubernetesCluster;
  let cluster: Cluster;
  let undisturbed: RunResult;

  before(async function () {
    const reason = whyNoKubernetes();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    kubernetes = await startKubernetes((await findKubernetes())!);
    cluster = await startCluster(undefined, { KUBECONFIG: kubernetes.kubeconfig });
  });
  after(async () => {
    await cluster?.close();
    await kubernetes?.close();
  });

  it('runs with trainings as processes', async () => {
    const worker = cluster.startWorker();
    undisturbed = await (await startExample(cluster, 'undisturbed', 2)).result();
    await worker.stop();
  });

  it('makes the same training sets and models though it loses a node, the control plane and its worker', async () => {
    const worker = cluster.startWorker();
    const run = await startExample(cluster, 'disturbed', 2, (example) => ({
      fineTuning: {
        ...example.fineTuning,
        launcher: {
          ...{ kind: 'kubernetes', command: heldTrainer() },
          podTemplate: hostPod(python, cluster.storeRoot),
        },
      },
    }));
    const disturbed = new HeldTrainings(cluster, 'disturbed');

    await disturbed.held(1, 1);
    const node = await nodeOf(disturbed.folder(1));
    await kubernetes.killNode(node);
    await disturbed.held(1, 2);
    assert.notEqual(await nodeOf(disturbed.folder(1)), node);

    await kubernetes.killControlPlane();
    await disturbed.release(1);
    await waitForProgress(run, ({ waits = [] }) =>
      waits.some(
        ({ stage, iteration, reason }) =>
          stage === 'fineTune' && iteration === 2 && /Kubernetes does not answer at/.test(reason),
      ),
    );
    kubernetes.startControlPlane();

    await disturbed.held(2, 1);
    await worker.kill();
    cluster.startWorker();
    await disturbed.takenOver();
    await disturbed.release(2);

    const { iterations } = await run.result();
    assert.deepEqual(await disturbed.starts(), [
      { starts: 2, resumedFromSteps: [HELD_STEP - 1] },
      { starts: 1, resumedFromSteps: [] },
    ]);
    const reference = new HeldTrainings(cluster, 'undisturbed');
    for (const iteration of [1, 2])
      assert.equal(await disturbed.trainingSet(iteration), await reference.trainingSet(iteration));
    assert.deepEqual(
      iterations.map(({ model }) => model.sha256),
      undisturbed.iterations.map(({ model }) => model.sha256),
    );
  });

  /** The node of a training's newest pod. */
  async function nodeOf(folder: string): Promise<KubernetesNode> {
    const start = await newestStart(openObjectStore(folder));
    const [namespace, name] = start!.job!.split('/');
    const { items } = (await kubernetes.api(`/api/v1/namespaces/${namespace}/pods`, {
      query: { labelSelector: `batch.kubernetes.io/job-name=${name}` },
    })) as { items: { spec: { nodeName: KubernetesNode } }[] };
    return items[0]!.spec.nodeName;
  }
});
