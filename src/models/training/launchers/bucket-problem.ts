/**
 * Why a training can't run on so many nodes with a store in a bucket; undefined if it can. The first process downloads and
 * uploads the training's files, and the others need them on the same disk.
 */
export function bucketProblem({ nodes }: { readonly nodes: number }): string | undefined {
  if (nodes === 1) return undefined;
  return (
    `launcher.nodes is ${nodes}, but with a store in a bucket a training runs on one node: ` +
    'set it to 1, or use a folder that all nodes share as the store'
  );
}
