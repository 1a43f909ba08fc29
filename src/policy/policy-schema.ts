/** The policy file: what the operator of a worker lets a configuration make it do. Whatever is not named is refused. */
import { z } from 'zod';
import { trackerSchema } from '../models/training/tracker.ts';
import { environmentVariableName } from '../platform/schema-fields.ts';
import { isEndpointPattern } from './endpoint-patterns.ts';

/** Stands for the model servers that runs start, beside hosts. */
export const OWN_SERVERS = 'own-servers';

/** The names of variables whose values must reach no endpoint and no server, whatever an operator writes. */
const NEVER_A_KEY = /^(TEMPORAL|HF|HUGGING_?FACE|AWS|KUBE|SSH)_/;

export function isNeverAKey(variable: string): boolean {
  return NEVER_A_KEY.test(variable);
}

const keyVariableName = environmentVariableName.refine(
  (name) => !isNeverAKey(name),
  'the credentials of Temporal, the hub, buckets and clusters are no keys of endpoints',
);

const endpointPattern = z
  .string()
  .refine(
    isEndpointPattern,
    'expected a host, host:port, *.domain, an address, a range such as 10.0.0.0/8, or "public"',
  );

const repositoryPattern = z
  .string()
  .regex(/^[\w.-]+\/([\w.-]+|\*)$/, 'expected "owner/name", or "owner/*" for all of an owner');

const list = (item: z.ZodType<string> = z.string().min(1)) => z.array(item).default([]);

const commandsSchema = z.strictObject({
  programs: list().describe(
    'Programs that may be started with any arguments, as a configuration writes them. A program such as a shell, Python or `env` can do everything.',
  ),
  templates: z
    .record(z.string().regex(/^[\w.-]+$/, 'expected a name'), z.array(z.string().min(1)).min(1))
    .default({})
    .describe(
      'Whole commands by name. A configuration picks one by `["template:NAME"]`, or has exactly the same words.',
    ),
  environment: list(environmentVariableName).describe(
    'The variables that `serving.environment` may set. `PATH`, `PYTHONPATH` or `LD_PRELOAD` choose the program.',
  ),
});

const hubSchema = z.strictObject({
  models: list(repositoryPattern).describe('Checkpoints that may be downloaded.'),
  datasets: list(repositoryPattern).describe('Data sets that may be downloaded.'),
});

const publishingSchema = z.strictObject({
  repositories: list(repositoryPattern).describe('The repositories of the hub that `publish` may push to.'),
  tokenVariables: z
    .array(
      environmentVariableName.refine(
        (name) => !/^(TEMPORAL|AWS)_/.test(name),
        'the credentials of Temporal and of buckets are no tokens of the hub',
      ),
    )
    .default(['HF_TOKEN'])
    .describe('The variables that `publish.tokenEnv` may name.'),
  buckets: list(
    z.string().regex(/^s3:\/\/[a-z0-9][a-z0-9.-]+(\/.*)?$/, 'expected "s3://bucket/prefix"'),
  ).describe('The addresses that `publishTo` may name, or something below them.'),
});

const slurmSchema = z
  .strictObject({
    partitions: list().describe(
      'The partitions that may be named; the default of the cluster needs no name.',
    ),
    accounts: list().describe('The accounts that may be named.'),
    qos: list().describe('The qualities of service that may be named.'),
    options: list(
      z.string().regex(/^--[a-z][a-z-]+$/, 'expected a long option, such as "--constraint"'),
    ).describe(
      'The further options of sbatch, without their values, such as `--exclusive`. `--wrap`, `--export`, `--output` and `--chdir` reach beyond the job.',
    ),
  })
  .nullable();

const kubernetesSchema = z
  .strictObject({
    namespaces: list().describe("The namespaces that may be named; the worker's own needs no name."),
    contexts: list().describe("The contexts of the worker's kubeconfig that may be named."),
    images: list().describe(
      'The images, as the pod template writes them; a `*` at the end stands for any text.',
    ),
    serviceAccounts: list().describe('The service accounts of the pods; the default one needs no name.'),
    secrets: list().describe('The secrets that pods may mount or read.'),
    configMaps: list().describe('The config maps that pods may mount or read.'),
    claims: list().describe('The volume claims that pods may mount.'),
    priorityClasses: list().describe('The priority classes.'),
    annotations: list().describe('The annotations of pods. Webhooks of the cluster may act on one.'),
  })
  .nullable();

export const policySchema = z.strictObject({
  $schema: z.string().optional().describe('The address of the JSON Schema, for editors.'),
  commands: commandsSchema
    .prefault({})
    .describe('What may be started as a model server or as a trainer, beside those of this package.'),
  endpoints: list(endpointPattern).describe(
    'The hosts that requests may be sent to: `host`, `host:port`, `*.domain`, an address, a range such as `10.0.0.0/8`, or `public` for every public address. A private address is only ' +
      'reached if an address or a range names it, whatever name leads there.',
  ),
  keyVariables: z
    .record(keyVariableName, z.array(z.union([endpointPattern, z.literal(OWN_SERVERS)])).min(1))
    .default({})
    .describe(
      `The variables with keys, each with the endpoints that get it, as in \`endpoints\`; \`${OWN_SERVERS}\` stands for the model servers of runs.`,
    ),
  dataRoots: list(z.string().regex(/^\//, 'expected an absolute path')).describe(
    "Folders with input files, beside the worker's own: its folder, the package, the cache and the store.",
  ),
  hub: hubSchema.prefault({}).describe('Repositories of the Hugging Face hub that are read.'),
  remoteCode: z
    .boolean()
    .default(false)
    .describe('Whether code that comes with a checkpoint may run (`trustRemoteCode`).'),
  publishing: publishingSchema.prefault({}).describe('Where outputs may be published.'),
  trackers: z
    .array(trackerSchema)
    .default(['tensorboard'])
    .describe('The trackers that a training may report to.'),
  slurm: slurmSchema.default(null).describe('Jobs of Slurm; null: none.'),
  kubernetes: kubernetesSchema.default(null).describe('Jobs of Kubernetes; null: none.'),
});

/** Lists what the operator has named. */
export type PolicyRules = z.output<typeof policySchema>;

/** Holds for work that a user does on a machine of their own. */
export const OWN_WORK: Policy = { rules: undefined, description: 'open: you start it yourself' };

/** The policy that holds for a worker. */
export interface Policy {
  /** Undefined if everything is allowed. */
  readonly rules: PolicyRules | undefined;
  /** Which policy holds and why, for people. */
  readonly description: string;
}
