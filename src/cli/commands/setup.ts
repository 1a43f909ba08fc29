import { defineCommand } from '../core/define-command.ts';
import { printResult } from '../core/output.ts';

export const setup = defineCommand({
  usage: 'setup',
  summary:
    'Install the Temporal CLI and the Python environment now; other commands install them when they need them.',
  details:
    'Pinned versions, checked by hash, are installed in a cache folder outside the checkout: 6 GB, less with TORCH_BACKEND=cpu. What is installed already is not changed.',
  json: 'the paths of the programs',
  options: {
    with: {
      type: 'string',
      choices: ['vllm-training'],
      describe:
        'Also install: `vllm-training`: a second Python environment with vLLM, for trainings whose `rollouts` are "vllm" (9 GB; Linux on x86_64 with NVIDIA GPUs).',
    },
  },
  examples: [
    ['$0 setup', 'Before working without a network'],
    ['$0 setup --with vllm-training', 'On a machine that trains by GRPO on GPUs'],
  ],
  run: async ({ json, with: extra }) => {
    const { installDependencies } = await import('../setup/install-dependencies.ts');
    const { temporal, python } = await installDependencies();
    const vllm =
      extra === undefined
        ? {}
        : { vllmPython: await (await import('../setup/python-environment.ts')).ensureVllmPython() };
    printResult(json, { temporal, python, ...vllm }, () =>
      [
        `Temporal CLI  ${temporal}`,
        `Python        ${python}`,
        ...Object.values(vllm).map((path) => `with vLLM     ${path}`),
      ].join('\n'),
    );
  },
});
