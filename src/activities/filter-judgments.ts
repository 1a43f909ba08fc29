import type { StageName } from '../api/stages.ts';
import { partOfRun, roundForIteration } from '../config/fine-tuning.ts';
import { marksFingerprintInputs, reasoningMarksOf } from '../config/reasoning.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { plannedText } from '../method/plans.ts';
import { learnedText } from '../method/reasoning.ts';
import { wordsBeforeVerdict } from '../method/words-before-verdict.ts';
import type { JudgedTaskExample } from '../method/select-task-judgments.ts';
import { TASKS } from '../method/tasks.ts';
import type { JudgedPair } from '../models/training/recipes/recipe.ts';
import { recipeOf } from '../models/training/recipes/registry.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { toReference, type ArtifactReference, type Fingerprint } from '../store/artifact.ts';
import type { RunReference, StageResult } from '../api/activity-types.ts';
import { readJudgedPairs, readJudgedRecords } from '../runs/judged-pairs.ts';
import { openRun, type ResolvedConfiguration } from '../runs/open-run.ts';
import { directPromptOf, taskPromptsOf, trainedTaskInputs, trainedTaskPrompts } from '../runs/prompts.ts';
import { runUris } from '../runs/run-layout.ts';
import { withHeartbeats } from './heartbeats.ts';
import type { Dependencies } from './dependencies.ts';

export interface FilterJudgmentsInput {
  readonly run: RunReference;
  readonly iteration: number;
  readonly pairs: ArtifactReference;
  readonly judgments: ArtifactReference;
}

/** The artifacts that a training set is made from, as its fingerprint names them. */
export type JudgmentHashes = Readonly<Record<'pairs' | 'judgments', Pick<ArtifactReference, 'sha256'>>>;

/**
 * Makes the training set of an iteration from its judgments (method, step 4), with the recipe of the iteration's
 * round.
 * @throws InvalidInput if fewer examples than `filtering.minExamples` remain
 */
export function filterJudgments(deps: Dependencies, input: FilterJudgmentsInput): Promise<StageResult> {
  return withHeartbeats(async () => {
    const startedAt = Date.now();
    const resolved = await openRun(deps.store, input.run);
    const { configuration, prompts } = resolved;
    const { seed, fineTuning } = configuration;
    const { iteration } = input;
    const round = roundForIteration(fineTuning, iteration);
    const part = partOfRun(configuration, iteration);
    const uri = runUris.trainingSet(input.run.runName, iteration);
    const fingerprint = trainingSetFingerprint(resolved, iteration, input);
    const manifest =
      (await deps.store.findIntact(uri, fingerprint)) ??
      (await deps.store.publish(uri, {
        fingerprint,
        ...(await recipeOf(round).makeTrainingSet({
          iteration,
          seed,
          round,
          sections: configuration,
          prompt: prompts.training,
          directPrompt: directPromptOf(prompts, round),
          taskPrompts: taskPromptsOf(prompts, round),
          judgedPairs: () => withLearnedTexts(readJudgedPairs(deps.store, { ...input, part }), configuration),
          trainedTasks:
            configuration.pairs.tasks.length === 0
              ? undefined
              : {
                  promptsOf: (task) => trainedTaskPrompts(prompts, task),
                  judged: () =>
                    withLearnedTaskTexts(readJudgedRecords(deps.store, { ...input, part }), configuration),
                },
        })),
      }));
    const seconds = (Date.now() - startedAt) / 1000;
    return { artifact: toReference(manifest), counts: manifest.counts, seconds };
  });
}

/**
 * Gives each judgment the text that a judge learns, its plan first, with the reasoning before its answer or without, and the number of words that
 * it has before its verdict.
 */
async function* withLearnedTexts(
  pairs: ReturnType<typeof readJudgedPairs>,
  configuration: Pick<Configuration, 'filtering' | 'reasoning'>,
): AsyncGenerator<JudgedPair> {
  const kept = configuration.filtering.reasoning === 'keep';
  const marks = reasoningMarksOf(configuration);
  for await (const { pair, orders } of pairs)
    yield {
      pair,
      orders: orders.map(({ example, judgments }) => ({
        example,
        judgments: judgments.map((judgment) => ({
          ...judgment,
          text: plannedText(judgment.plan?.text, learnedText(judgment, { marks, kept })),
          wordsBeforeVerdict: wordsBeforeVerdict(judgment, marks),
        })),
      })),
    };
}

/** Does the same for judgments of tasks beyond pairs. */
async function* withLearnedTaskTexts(
  records: ReturnType<typeof readJudgedRecords>,
  configuration: Pick<Configuration, 'filtering' | 'reasoning'>,
): AsyncGenerator<readonly JudgedTaskExample[]> {
  const kept = configuration.filtering.reasoning === 'keep';
  const marks = reasoningMarksOf(configuration);
  for await (const orders of records)
    yield orders.map(({ example, judgments }) => ({
      example,
      judgments: judgments.map((judgment) => ({
        ...judgment,
        text: learnedText(judgment, { marks, kept }),
        wordsBeforeVerdict: wordsBeforeVerdict(judgment, marks, TASKS[example.task].pattern),
      })),
    }));
}

/** The inputs that decide the training set of an iteration. */
export function trainingSetFingerprint(
  { configuration, prompts }: ResolvedConfiguration,
  iteration: number,
  { pairs, judgments }: JudgmentHashes,
): Fingerprint {
  const round = roundForIteration(configuration.fineTuning, iteration);
  const { reasoning } = configuration.filtering;
  const direct = directPromptOf(prompts, round);
  const tasks = taskPromptsOf(prompts, round);
  return {
    ...recipeOf(round).fingerprintInputs(configuration, round),
    schema: 1,
    stage: 'filterJudgments' satisfies StageName,
    method: round.method,
    seed: configuration.seed,
    pairs: pairs.sha256,
    judgments: judgments.sha256,
    trainingPrompt: stableHash(canonicalJson(prompts.training)),
    ...marksFingerprintInputs(configuration),
    ...(reasoning === 'keep' ? {} : { reasoning }),
    ...trainedTaskInputs(prompts),
    ...(direct === undefined ? {} : { directPrompt: stableHash(canonicalJson(direct)) }),
    ...(tasks === undefined ? {} : { taskPrompts: stableHash(canonicalJson(tasks)) }),
  };
}
