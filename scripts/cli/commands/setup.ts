import { defineCommand } from '../command.ts';

export const setup = defineCommand({
  usage: 'setup',
  summary:
    'Install what the other commands install when they need it: the Temporal CLI and the Python environment.',
  details:
    'Into a cache folder outside the checkout, pinned and checked by hash; 6 GB, less with TORCH_BACKEND=cpu. What is there is left as it is.',
  json: 'the paths of both programs',
  examples: [['$0 setup', 'Before the machine loses its network']],
  run: async ({ json }) => {
    const { temporal, python } = await (await import('../../setup/prepare.ts')).prepare();
    console.log(
      json ? JSON.stringify({ temporal, python }) : `Temporal CLI  ${temporal}\nPython        ${python}`,
    );
  },
});
