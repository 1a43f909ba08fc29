import { delimiter } from 'node:path';
import { fillIn } from '../serving/drivers.ts';

/** How a trainer is started, and what it sees of the machine. */
export interface TrainerCommand {
  /** Program and arguments; `{python}` and `{job}` are filled in. */
  readonly command: readonly string[];
  /** The interpreter that has the trainer's packages. */
  readonly python: string;
  /** The folder that holds the package `trainer`. */
  readonly packageRoot: string;
  /** The worker's environment; the trainer sees a part of it (`trainerEnvironment`). */
  readonly environment: Environment;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The trainer's argument list. A value is one argument or a part of one, whatever it holds: no shell sees it.
 * @throws Error naming a placeholder that has no value.
 */
export function trainerArguments({ command, python }: TrainerCommand, jobFile: string): string[] {
  return command.map((part) => fillIn(part, { python, job: jobFile }));
}

const passedNames = new Set(
  (
    'PATH HOME USER LOGNAME SHELL LANG TZ TMPDIR TMP TEMP VIRTUAL_ENV LD_LIBRARY_PATH LD_PRELOAD DYLD_LIBRARY_PATH ' +
    'SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy'
  ).split(' '),
);
const passedPrefixes = (
  'LC_ XDG_ PYTHON CONDA_ HF_ TRANSFORMERS_ TOKENIZERS_ TORCH PYTORCH_ TRITON_ ' +
  'CUDA NVIDIA_ NCCL_ GLOO_ HIP_ HSA_ ROCR_ OMP_ MKL_ KMP_ ACCELERATE_ FSDP_ WANDB_ MLFLOW_'
).split(' ');

/**
 * What a trainer may see of the worker's environment: a list of what is let through, because a list of what is kept
 * back would forget a key. The keys of model endpoints and of Temporal stay behind; `HF_TOKEN` goes along, since
 * gated base checkpoints need it, and so do the keys of trackers.
 */
export function trainerEnvironment({ environment, packageRoot }: TrainerCommand): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) continue;
    if (passedNames.has(name) || passedPrefixes.some((prefix) => name.startsWith(prefix)))
      passed[name] = value;
  }
  const path = passed['PYTHONPATH'];
  return { ...passed, PYTHONPATH: path ? `${packageRoot}${delimiter}${path}` : packageRoot };
}
