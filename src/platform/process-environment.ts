/**
 * Environments of the processes that this program starts. Each gets the variables that are listed for what it does, and those that the
 * setting `--pass-environment` names: a list of what is withheld would miss a key. docs/operations.md shows the lists.
 */
import { KEY_NAME } from './secrets.ts';
import { SettingError } from './setting-error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

interface Group {
  /** Names, and beginnings of names with `*`. */
  readonly variables: string;
  /** True if the names with `*` include those of keys. Otherwise a key is passed on only under its whole name. */
  readonly withKeys?: boolean;
}

/** The variables by what a process does. */
export const VARIABLE_GROUPS = {
  /** Every process finds programs, libraries, its user's files, its language, and the way through a proxy. */
  any: {
    variables:
      'PATH HOME USER LOGNAME SHELL LANG LANGUAGE LC_* TZ TMPDIR TMP TEMP XDG_* LD_LIBRARY_PATH LD_PRELOAD DYLD_LIBRARY_PATH ' +
      'HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy ' +
      'SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS SELF_TAUGHT_EVALUATOR_CACHE',
  },
  /** Trainers and model servers: which GPUs, how they reach each other, how many threads, where models and compiled code are kept. */
  compute: {
    variables:
      'PYTHON* VIRTUAL_ENV CONDA_* CC CXX LIBRARY_PATH CPATH CUDA* CUDNN_* CUBLAS_* NVIDIA_* NVSHMEM_* NCCL_* GLOO_* UCX_* UCC_* ' +
      'FI_* RDMAV_* IBV_* MLX5_* HIP* HSA_* ROCR_* ROCM_* MIOPEN_* CCL_* ZE_* ONEAPI_* SYCL_* ASCEND_* HCCL_* HABANA_* MALLOC_* ' +
      'RAYON_* OMP_* GOMP_* KMP_* MKL_* OPENBLAS_* TORCH* PYTORCH_* TRITON_* ' +
      'HF_* HF_HUB_DISABLE_IMPLICIT_TOKEN HUGGINGFACE_HUB_CACHE TRANSFORMERS_* TOKENIZERS_*',
  },
  /** Model servers have settings, and vLLM's key, of their own; a container's program starts some of them. */
  server: {
    variables:
      'VLLM_* VLLM_API_KEY SGLANG_* SGL_* FLASHINFER_* LMCACHE_* LLAMA_ARG_* LLAMA_CACHE GGML_* OLLAMA_* RAY_* ' +
      'DOCKER_* CONTAINER_* APPTAINER* SINGULARITY*',
  },
  /** A process that loads a model of the hub by its id. */
  hub: { variables: 'HF_TOKEN HUGGING_FACE_HUB_TOKEN' },
  /** A trainer whose run reports to this tracker. */
  wandb: { variables: 'WANDB_*', withKeys: true },
  mlflow: { variables: 'MLFLOW_*', withKeys: true },
  /** A trainer whose store is in a bucket. */
  bucket: { variables: 'AWS_*', withKeys: true },
  /** Slurm's commands, and the process that forwards requests to a job. */
  slurm: { variables: 'SLURM_* SBATCH_* SQUEUE_* SCONTROL_* MUNGE_* KRB5CCNAME', withKeys: true },
  /** The program that a kubeconfig names for getting credentials, such as `aws eks get-token`. */
  kubernetes: {
    variables: 'KUBECONFIG AWS_* GOOGLE_* CLOUDSDK_* AZURE_* AAD_*',
    withKeys: true,
  },
  /** Commands of the set-up: uv, pip, Go, git, the compilers that they start. */
  setup: {
    variables:
      'UV_* PIP_* GIT_* CGO_* GOPATH GOCACHE GOMODCACHE GOPROXY GONOPROXY GOSUMDB GONOSUMDB GOPRIVATE GOINSECURE GOFLAGS GOROOT ' +
      'GOTOOLCHAIN GOTMPDIR GOENV GOAUTH PKG_CONFIG_PATH CMAKE_* CFLAGS CXXFLAGS LDFLAGS PYTHON* VIRTUAL_ENV CONDA_* CC CXX CUDA* HF_HOME HF_HUB_CACHE HF_ENDPOINT HF_HUB_OFFLINE',
    withKeys: true,
  },
} as const satisfies Readonly<Record<string, Group>>;

export type VariableGroup = keyof typeof VARIABLE_GROUPS;

/** Names more variables that all processes get. The worker's option `--pass-environment` sets it. */
export const PASS_VARIABLE = 'SELF_TAUGHT_EVALUATOR_PASS_ENVIRONMENT';

const NEVER_PASSED = 'TEMPORAL_';

type Matcher = (name: string) => boolean;

const matchers = new Map(
  Object.entries<Group>(VARIABLE_GROUPS).map(([group, { variables, withKeys = false }]) => [
    group,
    variables.split(' ').map((pattern) => matcher(pattern, withKeys)),
  ]),
);

/**
 * The part of this program's environment for a process.
 * @param groups what the process does; `any` is always included
 * @throws SettingError if `PASS_VARIABLE` is not a list of names
 */
export function processEnvironment(
  environment: Environment,
  ...groups: readonly VariableGroup[]
): Record<string, string> {
  const allowed = [
    ...(['any', ...groups] as const).flatMap((group) => matchers.get(group) ?? []),
    ...passedNames(environment[PASS_VARIABLE] ?? '', PASS_VARIABLE).map((pattern) => matcher(pattern, false)),
  ];
  const passed = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && allowed.some((matches) => matches(entry[0])),
  );
  return Object.fromEntries(passed);
}

/** The same of the environment of this process. */
export function ownEnvironment(...groups: readonly VariableGroup[]): Record<string, string> {
  return processEnvironment(process.env, ...groups);
}

/**
 * The names in the value of a setting, separated by commas.
 * @param setting how the message names it
 * @throws SettingError
 */
export function passedNames(text: string, setting: string): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  for (const name of names) {
    if (!/^[A-Za-z_]\w*\*?$/.test(name))
      throw new SettingError(
        `${setting} has ${JSON.stringify(name)}, and must name variables, separated by commas, such as MY_SETTING or MY_*`,
      );
    if (name.startsWith(NEVER_PASSED))
      throw new SettingError(
        `${setting} has ${name}: no process gets the variables of Temporal, with which it could do whatever the worker can`,
      );
  }
  return names;
}

function matcher(pattern: string, withKeys: boolean): Matcher {
  if (!pattern.endsWith('*')) return (name) => name === pattern;
  const beginning = pattern.slice(0, -1);
  return (name) =>
    name.startsWith(beginning) && !name.startsWith(NEVER_PASSED) && (withKeys || !KEY_NAME.test(name));
}
