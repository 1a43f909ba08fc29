import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { packageRoot } from '../../src/platform/package-root.ts';
import { IMAGE } from './kubernetes-cluster.ts';

export interface HostPodOptions {
  readonly limits?: object;
  readonly image?: string;
  readonly volumeMounts?: readonly object[];
  /** More fields of the pod. */
  readonly spec?: object;
}

/** The template of a pod that sees Python, this package and a folder at the paths that they have on this host. */
export function hostPod(python: string, folder: string, options: HostPodOptions = {}) {
  const { limits = {}, image = IMAGE, volumeMounts = [], spec = {} } = options;
  const places = [
    ...[dirname(dirname(python)), dirname(dirname(realpathSync(python)))],
    ...[realpathSync(packageRoot), folder, '/usr', '/lib', '/lib64'],
  ];
  const trainer = {
    ...{ name: 'trainer', image, resources: { limits } },
    imagePullPolicy: image === IMAGE ? 'Never' : 'Always',
    env: [
      ...['HOME', 'PATH'].map((name) => ({ name, value: process.env[name] })),
      { name: 'OMP_NUM_THREADS', value: '1' },
    ],
    volumeMounts: [...places.map((mountPath, index) => ({ name: `v${index}`, mountPath })), ...volumeMounts],
  };
  const volumes = places.map((path, index) => ({
    name: `v${index}`,
    hostPath: { path: realpathSync(path) },
  }));
  return { spec: { containers: [trainer], volumes, ...spec } };
}
