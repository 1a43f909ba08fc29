/**
 * A process that works slowly on the sampled shard of a store, says what it asks for, and waits to be killed when it has
 * asked for so many samples.
 */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { resumeShard } from '../../src/store/resume-shard.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { sampledShard } from './sampled-shard.ts';

const [storeRoot = '', most] = process.argv.slice(2);
let asked = 0;
const shard = sampledShard({}, async (id) => {
  if (asked === Number(most)) await sleep(600_000);
  asked += 1;
  writeSync(1, `${id}\n`);
  await sleep(10);
});
await resumeShard(openStore(storeRoot), shard);
