import { z } from 'zod';
import { canonicalJson } from '../platform/canonical-json.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { toReference, type ArtifactReference } from '../store/artifact.ts';
import { runUris } from './run-layout.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import { ArtifactDamaged, MADE_AGAIN } from '../store/errors.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { driftSchema } from '../config/drift.ts';
import { samplingSchema } from '../config/fields.ts';
import { fineTuningSchema } from '../config/fine-tuning.ts';
import { pairsJudgingConfigurationSchema } from '../config/pairs-judging-configuration.ts';
import { configurationSchema } from '../config/run-configuration.ts';
import { judgeFileSchema, type JudgeFile } from '../api/judge-file.ts';
import { evaluationPromptsSchema } from './benchmark-prompts.ts';
import { promptsSchema } from './prompts.ts';
import type { RunReference } from '../api/activity-types.ts';

const sections = configurationSchema.shape;

/** The sections that every resolved configuration has, and the prices, which only a run has. */
const commonSections = {
  runName: sections.runName,
  seed: sections.seed,
  models: sections.models,
  serving: sections.serving,
  inference: sections.inference,
  timeouts: sections.timeouts,
  prices: sections.prices,
};

// Fields that a schema does not name are dropped, so that a part of a configuration never passes for the whole.
const resolvedModelsSchema = z.object({
  configuration: z.object({ ...commonSections, fineTuning: fineTuningSchema.optional() }),
});

const resolvedEvaluationSchema = z.object({
  configuration: z.object({
    ...commonSections,
    evaluation: sections.evaluation,
    reasoning: sections.reasoning,
    drift: driftSchema.optional(),
  }),
  prompts: z.object({ evaluation: evaluationPromptsSchema }),
  /** The judge as the configuration names it: `run:<name>/latest`, which `models.seed` has resolved. */
  judgeReference: z.string().optional(),
});

const resolvedConfigurationSchema = z.object({ configuration: configurationSchema, prompts: promptsSchema });

const { pairsFile, shardSize, votes, orders } = pairsJudgingConfigurationSchema.shape;

const judge: z.ZodType<JudgeFile> = judgeFileSchema;

const resolvedPairsJudgingSchema = z.object({
  configuration: z.object({
    ...commonSections,
    judging: z.object({
      pairsFile,
      shardSize,
      voting: z.object({ votes, orders, sampling: samplingSchema }),
    }),
  }),
  judge,
});

/** The configuration of a run and the text of its prompts, as they were when the run was started. */
export type ResolvedConfiguration = Readonly<z.output<typeof resolvedConfigurationSchema>>;

/** The sections and prompts that evaluate and serve a judge: all of an evaluation without training, and a part of a run. */
export type ResolvedEvaluation = Readonly<z.output<typeof resolvedEvaluationSchema>>;

/** The configuration of judging a file of pairs, with the contents of the judge's file. */
export type ResolvedPairsJudging = Readonly<z.output<typeof resolvedPairsJudgingSchema>>;

/** The sections that serve models and send requests to them: a part of every resolved configuration. */
export type ResolvedModels = Readonly<z.output<typeof resolvedModelsSchema>>;

/** A resolved configuration of any kind. */
export type AnyResolved =
  | { readonly kind: 'run'; readonly resolved: ResolvedConfiguration }
  | { readonly kind: 'evaluation'; readonly resolved: ResolvedEvaluation }
  | { readonly kind: 'judging'; readonly resolved: ResolvedPairsJudging };

/** Publishes a resolved configuration under the hash of its content. */
export async function publishResolved(
  store: ArtifactStore,
  runName: string,
  resolved: ResolvedConfiguration | ResolvedEvaluation | ResolvedPairsJudging,
): Promise<ArtifactReference> {
  const sha = stableHash(canonicalJson(resolved));
  const artifact = await store.publish(`${runUris.configurations(runName)}/${sha}`, {
    fingerprint: { schema: 1, configuration: sha },
    records: [resolved],
  });
  return toReference(artifact);
}

/**
 * Reads the resolved configuration of a run.
 * @throws ArtifactDamaged if it was removed from the run's folder; StoreMismatch if the store doesn't hold the run at
 *   all: another worker may have the right store
 */
export async function openRun(store: ArtifactStore, run: RunReference): Promise<ResolvedConfiguration> {
  return openWith(resolvedConfigurationSchema, store, run);
}

/** Reads the part of a resolved configuration that an evaluation has: that of a run, or of an evaluation without training. */
export async function openEvaluation(store: ArtifactStore, run: RunReference): Promise<ResolvedEvaluation> {
  return openWith(resolvedEvaluationSchema, store, run);
}

/** Reads the resolved configuration of judging a file of pairs. */
export async function openPairsJudging(
  store: ArtifactStore,
  run: RunReference,
): Promise<ResolvedPairsJudging> {
  return openWith(resolvedPairsJudgingSchema, store, run);
}

/** Reads the part of a resolved configuration of any kind that serves models. */
export async function openModels(store: ArtifactStore, run: RunReference): Promise<ResolvedModels> {
  return openWith(resolvedModelsSchema, store, run);
}

/**
 * Reads a resolved configuration whose kind is not known, by its content.
 * @throws InvalidInput if it is not valid for any kind
 */
export async function readAnyResolved(
  store: ArtifactStore,
  reference: ArtifactReference,
): Promise<AnyResolved> {
  const record = await readRecord(store, reference);
  if (kindSchema.judging.safeParse(record).success)
    return { kind: 'judging', resolved: parse(resolvedPairsJudgingSchema, record, reference) };
  return kindSchema.run.safeParse(record).success
    ? { kind: 'run', resolved: parse(resolvedConfigurationSchema, record, reference) }
    : { kind: 'evaluation', resolved: parse(resolvedEvaluationSchema, record, reference) };
}

/** The fields that only one kind of resolved configuration has. */
const kindSchema = {
  judging: z.object({ judge: z.looseObject({}) }),
  run: z.object({ configuration: z.object({ fineTuning: z.looseObject({}) }) }),
};

/** Tells the resolved configuration of a run that trains from that of an evaluation. */
export function isTrainingRun(
  resolved: ResolvedConfiguration | ResolvedEvaluation,
): resolved is ResolvedConfiguration {
  return 'fineTuning' in resolved.configuration;
}

/** This worker's store is not the one that holds the run; a worker with the right store may take the work. */
class StoreMismatch extends Error {
  override readonly name = 'StoreMismatch';
}

async function openWith<Resolved>(
  schema: z.ZodType<Resolved>,
  store: ArtifactStore,
  run: RunReference,
): Promise<Resolved> {
  const reading = readRecord(store, run.configuration);
  // Without a manifest there is a better explanation.
  reading.catch(() => undefined);
  if ((await store.readManifest(run.configuration.uri)) === undefined) {
    if (await store.exists(runUris.owner(run.runName)))
      throw new ArtifactDamaged(
        `${store.locate(run.configuration.uri)}, the configuration of the run, is missing. ${MADE_AGAIN}`,
      );
    throw new StoreMismatch(
      `the store of this worker, ${store.address}, does not contain the run ${run.runName}. If its file system is not mounted, mount ` +
        'it, and the run continues. If the folder of the run was deleted, cancel the run and start it again. Workers of one task ' +
        'queue share one store (--store, or SELF_TAUGHT_EVALUATOR_STORE); start workers with another store on another task queue (--task-queue)',
    );
  }
  return parse(schema, await reading, run.configuration);
}

async function readRecord(store: ArtifactStore, reference: ArtifactReference): Promise<unknown> {
  const [record] = await store.readRecords<unknown>(reference);
  if (record === undefined) throw new InvalidInput(`${reference.uri} contains no configuration`);
  return record;
}

function parse<Resolved>(
  schema: z.ZodType<Resolved>,
  record: unknown,
  { uri }: Pick<ArtifactReference, 'uri'>,
): Resolved {
  const { success, data, error } = schema.safeParse(record);
  if (success) return data;
  const problems = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new InvalidInput(`${uri} is not a valid resolved configuration: ${problems.join('; ')}`);
}
