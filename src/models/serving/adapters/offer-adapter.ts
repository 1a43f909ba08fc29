import { join } from 'node:path';
import { checkCanary } from './canary.ts';
import {
  publishAdapter,
  type AdapterLoader,
  type PublishedAdapter,
  type TrainedAdapter,
} from './publish-adapter.ts';

/**
 * Makes a server that runs serve an adapter of its base, and compares its answers with those of the trainer.
 * @param folder that of the server's adapters
 * @throws AdapterRefused, Unanswered
 */
export async function offerAdapter<Settings>(
  loader: AdapterLoader<Settings>,
  settings: Settings,
  adapter: TrainedAdapter,
  { folder, ...server }: PublishedAdapter,
): Promise<void> {
  const published = { ...server, folder: join(folder, server.name) };
  await publishAdapter(adapter, published.folder, published.base);
  await loader.load(settings, published);
  if (adapter.canary !== undefined)
    await checkCanary(adapter.canary, published, loader.canaryTolerance(settings));
}
