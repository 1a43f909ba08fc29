import { join } from 'node:path';
import { findBuiltPrograms } from './built-programs.ts';

/** The release that test/kubernetes/go.mod builds. */
const KUBERNETES_VERSION = '1.34.4';

/**
 * API server, controllers, scheduler and kubelet of Kubernetes as one program (test/kubernetes/main.go): the cached one, or
 * one built from source if `TEST_KUBERNETES=1` is set. Undefined otherwise.
 */
export async function findKubernetes(): Promise<string | undefined> {
  const programs = await findBuiltPrograms(
    {
      folder: `kubernetes-${KUBERNETES_VERSION}`,
      module: join(import.meta.dirname, '..', '..', 'test', 'kubernetes'),
      commands: { kubernetes: '.' },
      gigabytes: 5,
    },
    process.env.TEST_KUBERNETES === '1',
  );
  return programs?.kubernetes;
}
