import { delimiter } from 'node:path';
import { fillTemplate } from '../../../platform/fill-template.ts';
import type { TrainerMachine } from './launcher.ts';

/**
 * Builds the trainer's arguments. No shell interprets them, so a value always stays one argument or a part of
 * one.
 * @throws Error that names a placeholder without a value
 */
export function trainerArguments(command: readonly string[], python: string, jobFile: string): string[] {
  return command.map((part) => fillTemplate(part, { python, job: jobFile }));
}

const PASSED_VARIABLES = new Set(
  (
    'PATH HOME USER LOGNAME SHELL LANG TZ TMPDIR TMP TEMP VIRTUAL_ENV LD_LIBRARY_PATH LD_PRELOAD DYLD_LIBRARY_PATH ' +
    'SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy ' +
    'SELF_TAUGHT_EVALUATOR_CACHE'
  ).split(' '),
);
/**
 * No variable of accelerate or FSDP is among them: those of a launch come from the launcher's command. The trainer itself clears
 * what else would change a training (trainer/environment.py).
 */
const PASSED_PREFIXES = (
  'LC_ XDG_ PYTHON CONDA_ HF_ TRANSFORMERS_ TOKENIZERS_ TORCH PYTORCH_ TRITON_ ' +
  'CUDA NVIDIA_ NCCL_ GLOO_ HIP_ HSA_ ROCR_ OMP_ MKL_ KMP_ WANDB_ MLFLOW_'
).split(' ');

/** Begins the names of the variables with the keys and the endpoint of a bucket. */
const BUCKET_PREFIX = 'AWS_';

/**
 * The part of the worker's environment that a trainer may see: a list of the variables that are passed on, because a list
 * of those that are withheld would miss a key. The keys of model endpoints and of Temporal are withheld; `HF_TOKEN` is
 * passed on, because gated base checkpoints need it, and so are the keys of trackers, and those of a bucket if the store is in one.
 */
export function trainerEnvironment({
  environment,
  packageRoot,
  usesBucket = false,
}: Pick<TrainerMachine, 'environment' | 'packageRoot' | 'usesBucket'>): Record<string, string> {
  const prefixes = usesBucket ? [...PASSED_PREFIXES, BUCKET_PREFIX] : PASSED_PREFIXES;
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) continue;
    if (PASSED_VARIABLES.has(name) || prefixes.some((prefix) => name.startsWith(prefix)))
      passed[name] = value;
  }
  const path = passed['PYTHONPATH'];
  return { ...passed, PYTHONPATH: path ? `${packageRoot}${delimiter}${path}` : packageRoot };
}
