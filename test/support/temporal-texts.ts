/** All that Temporal holds of a run, decoded. */
import type { Client } from '@temporalio/client';

/** Histories, memos, search attributes, pending activities with their heartbeats and failures, and the answers to queries. */
export async function textsInTemporal(client: Client, runName: string): Promise<string> {
  const texts: string[] = [];
  for await (const { workflowId, runId } of client.workflow.list()) {
    if (workflowId !== runName && !workflowId.startsWith(`${runName}/`)) continue;
    const handle = client.workflow.getHandle(workflowId, runId);
    const [history, description] = [await handle.fetchHistory(), await handle.describe()];
    texts.push(decoded(history), decoded(description.raw));
    for (const query of ['progress', '__temporal_workflow_metadata'])
      texts.push(decoded(await handle.query(query).catch(() => undefined)));
  }
  return texts.join('\n');
}

/** JSON in which bytes are text. */
function decoded(value: unknown): string {
  return (
    JSON.stringify(value, (name, field: unknown) => {
      // The classes of the API write bytes as base64.
      if (name === 'data' && typeof field === 'string') return Buffer.from(field, 'base64').toString('utf8');
      if (typeof field !== 'object' || field === null) return field;
      if (field instanceof Uint8Array) return Buffer.from(field).toString('utf8');
      if ('type' in field && field.type === 'Buffer' && 'data' in field)
        return Buffer.from(field.data as number[]).toString('utf8');
      return field;
    }) ?? ''
  );
}
