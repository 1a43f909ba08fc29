import type { Client } from '@temporalio/client';

/**
 * The histories of a workflow and of all its descendants as the server keeps them, with bytes as text, and without search
 * attributes, which are always plain.
 */
export async function rawHistories(client: Client, workflowId: string): Promise<string> {
  const events = await rawEvents(client, workflowId);
  const children = events.flatMap((event) => {
    const id = event.childWorkflowExecutionStartedEventAttributes?.workflowExecution?.workflowId;
    return id ? [id] : [];
  });
  const texts = [JSON.stringify(events, bytesAsText)];
  for (const child of new Set(children)) texts.push(await rawHistories(client, child));
  return texts.join('\n');
}

async function rawEvents({ workflowService, options: { namespace } }: Client, workflowId: string) {
  const events = [];
  let nextPageToken: Uint8Array | null | undefined;
  do {
    const page = await workflowService.getWorkflowExecutionHistory({
      namespace,
      execution: { workflowId },
      ...(nextPageToken ? { nextPageToken } : {}),
    });
    events.push(...(page.history?.events ?? []));
    nextPageToken = page.nextPageToken;
  } while (nextPageToken?.length);
  return events;
}

/** In JSON the bytes of a payload are base64. */
function bytesAsText(name: string, value: unknown): unknown {
  if (name === 'searchAttributes') return undefined;
  const isBytes = typeof value === 'string' && (name === 'data' || name === 'encryption-key-id');
  return isBytes ? Buffer.from(value, 'base64').toString('latin1') : value;
}
