import { defineCommand } from '../core/define-command.ts';
import { printResult } from '../core/output.ts';

export const setup = defineCommand({
  usage: 'setup',
  summary:
    'Install the Temporal CLI and the Python environment now; other commands install them when they need them.',
  details:
    'Pinned versions, checked by hash, are installed in a cache folder outside the checkout: 6 GB, less with TORCH_BACKEND=cpu. What is installed already is not changed.',
  json: 'the paths of both programs',
  examples: [['$0 setup', 'Before working without a network']],
  run: async ({ json }) => {
    const { temporal, python } = await (
      await import('../setup/install-dependencies.ts')
    ).installDependencies();
    printResult(json, { temporal, python }, () => `Temporal CLI  ${temporal}\nPython        ${python}`);
  },
});
