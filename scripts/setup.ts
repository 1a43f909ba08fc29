/** `npm run setup`: everything that the other commands install when they need it. */
import { prepare } from './setup/prepare.ts';
import { runScript } from './setup/run-script.ts';

await runScript(async () => {
  const { temporal, python } = await prepare();
  console.log(`Temporal CLI  ${temporal}\nPython        ${python}`);
});
