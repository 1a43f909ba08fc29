import type { StageName } from '../api/stages.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { partOfRun } from '../config/fine-tuning.ts';
import { isInPart } from '../method/pair-parts.ts';
import { instructionKey } from '../method/plans.ts';
import { samplingSeed } from '../method/seeds.ts';
import {
  judgeExample,
  ORDERS,
  judgePromptValues,
  type JudgeExample,
  type ResponsePair,
} from '../method/examples.ts';
import { renderPrompt } from '../method/prompt-template.ts';
import { taskExamples, type TaskExample, type TrainedRecord } from '../method/task-examples.ts';
import type { Choice } from '../models/inference/chat-answer.ts';
import { isCorrect, type SampledJudgment } from '../method/rejection-sampling.ts';
import { wordsBeforeVerdict } from '../method/words-before-verdict.ts';
import { parseVerdict } from '../method/verdict.ts';
import {
  requiredJudgments,
  hasRequiredJudgments,
  type SamplingStrategy,
} from '../method/sampling-batches.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { ArtifactReference, Fingerprint } from '../store/artifact.ts';
import { readShardReferences } from '../store/shards.ts';
import type { RequestUsage, ShardRecord } from '../store/shard-types.ts';
import { minReasoningInputs } from '../config/fingerprint-inputs.ts';
import { marksFingerprintInputs, reasoningMarksOf } from '../config/reasoning.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { missingVerdict, missingVerdictCounts } from '../method/missing-verdict.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, type ResolvedConfiguration } from '../runs/open-run.ts';
import { trainedTaskInputs, type Prompts } from '../runs/prompts.ts';
import type { ShardInput, ShardResult } from '../api/activity-types.ts';
import { processShard } from './process-shard.ts';
import { isUsablePlan, type Judgment, type Plan, type RecordJudgment } from '../runs/records.ts';
import { countRecordJudgments, judgeRecord } from './judge-records.ts';
import { drawSamples } from './draw-samples.ts';

/**
 * Samples judgments of every pair of a shard in both orders (method, step 3): all N, or in batches until there are
 * enough. Sample k of an example has the seed of the example plus k, both in a single request and in several requests
 * after a crash. Records of tasks beyond pairs, if the run learns any, are judged beside the pairs. With plans, N judgments follow each of them:
 * sample k follows plan k div N.
 */
export function judgePairs(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return processShard<
    ResolvedConfiguration,
    ResponsePair | TrainedRecord,
    PlannedExample | TaskExample,
    (Judgment | RecordJudgment) & ShardRecord,
    Judgment | RecordJudgment
  >(deps, 'judgePairs', input, openRun, async (resolved) => {
    const { configuration, prompts } = resolved;
    const { seed, judging, filtering } = configuration;
    const marks = reasoningMarksOf(configuration);
    const part = partOfRun(configuration, input.iteration);
    const plans = await readPlans(deps, input);
    return {
      fingerprintInputs: judgmentFingerprintInputs(configuration, prompts, input.iteration, plans?.shard),
      units: (items) =>
        items
          .filter(({ id }) => isInPart(id, part))
          .flatMap((item): readonly (PlannedExample | TaskExample)[] =>
            'task' in item
              ? taskExamples(item)
              : ORDERS.map((order) => ({
                  ...judgeExample(item, order),
                  ...(plans && { plans: plans.byInstruction.get(instructionKey(item.instruction)) ?? [] }),
                })),
          ),
      work: async (example, existing, emit, ask) => {
        if ('task' in example)
          return judgeRecord(resolved, input.iteration, example, existing.filter(isOfRecord), emit, ask);
        const seedOfExample = samplingSeed(seed, 'judge', input.iteration, example.id);
        const needed = requiredJudgments(judging.strategy, filtering.judgmentsPerExample);
        const isLearned = (judgment: SampledJudgment) =>
          filtering.minReasoning === null || wordsBeforeVerdict(judgment, marks) >= filtering.minReasoning;
        const sampling = {
          ...{ judging, ask, seed: seedOfExample },
          receive({ text, reasoning, finishReason }: Choice, sample: number, usage?: RequestUsage) {
            const judgment = {
              id: `${example.id}/${String(sample).padStart(4, '0')}`,
              sample,
              text,
              ...(reasoning === undefined ? {} : { reasoning }),
              verdict: parseVerdict(text, marks),
              finishReason,
            };
            emit({
              ...judgment,
              unit: example.id,
              pairId: example.id.slice(0, -(example.order.length + 1)),
              order: example.order,
              correct: isCorrect(judgment, example.betterSide),
              ...(usage && { usage }),
            });
            return judgment;
          },
          isEnough: (drawn: readonly SampledJudgment[]) =>
            hasRequiredJudgments(drawn, example.betterSide, needed, isLearned),
        };
        const stored = existing.filter(isOfPair);
        for (const prompt of promptsOf(example, prompts, judging.samples))
          await drawSamples({ ...sampling, ...prompt }, stored);
      },
      assembleResults: (example, records) => {
        const { id, plans: ofExample } = 'task' in example ? { id: example.id } : example;
        if (ofExample?.some(isUsablePlan) === false) return { id, kind: 'dropped', reason: 'no usable plan' };
        return records.map(({ unit: _unit, usage: _usage, ...judgment }) => ({
          ...judgment,
          ...planOf(ofExample, judgment.sample, judging.samples),
        }));
      },
      countResults: (all) => {
        const judgments = all.filter(isOfPair);
        return {
          judgments: judgments.length,
          correctJudgments: judgments.filter(({ correct }) => correct).length,
          ties: judgments.filter(({ verdict }) => verdict === 'tie').length,
          unparsableJudgments: judgments.filter(({ verdict }) => verdict === 'none').length,
          ...missingVerdictCounts(
            judgments
              .filter(({ verdict }) => verdict === 'none')
              .map((judgment) => missingVerdict(judgment, marks)),
          ),
          ...countRecordJudgments(all.filter(isOfRecord)),
        };
      },
    };
  });
}

function isOfRecord<J extends Judgment | RecordJudgment>(judgment: J): judgment is J & RecordJudgment {
  return 'recordId' in judgment;
}

function isOfPair<J extends Judgment | RecordJudgment>(judgment: J): judgment is J & Judgment {
  return !isOfRecord(judgment);
}

/** An example with the plans for its instruction, if judging has plans. */
interface PlannedExample extends JudgeExample {
  readonly plans?: readonly Plan[];
}

/** The plans for the instructions of a shard, if the run has plans. */
async function readPlans({ store }: Dependencies, { plans, shard }: ShardInput) {
  if (plans === undefined) return undefined;
  const ofShard = (await readShardReferences(store, plans))[shard];
  if (ofShard === undefined) throw new InvalidInput(`${plans.uri} has no shard ${shard}`);
  const byInstruction = Map.groupBy(await store.readRecords<Plan>(ofShard), ({ unit }) => unit);
  return { shard: ofShard, byInstruction };
}

/** The prompts of an example: that for judgments, or one for each plan, with the number of its first sample. */
function promptsOf({ plans, ...example }: PlannedExample, prompts: Prompts, samples: number) {
  const values = judgePromptValues(example);
  if (plans === undefined) return [{ messages: renderPrompt(prompts.judge, values), first: 0 }];
  const { execution } = prompts;
  if (execution === undefined) throw new InvalidInput('judging.plan is not set, but there are plans');
  return plans.filter(isUsablePlan).map(({ sample, text }) => ({
    messages: renderPrompt(execution, { ...values, plan: text }),
    first: sample * samples,
  }));
}

/** The plan that a sample follows. */
function planOf(plans: readonly Plan[] | undefined, sample: number, samples: number): Pick<Judgment, 'plan'> {
  const followed = plans?.find((plan) => plan.sample === Math.floor(sample / samples));
  return followed === undefined ? {} : { plan: { sample: followed.sample, text: followed.text } };
}

/**
 * The fingerprint inputs of the judgments of a shard.
 * @param plans the shard of the plans that they follow
 */
export function judgmentFingerprintInputs(
  configuration: Pick<Configuration, 'judging' | 'filtering' | 'reasoning' | 'pairs' | 'fineTuning'>,
  prompts: Pick<Prompts, 'judge' | 'execution' | 'trainedTasks'>,
  iteration: number,
  plans?: Pick<ArtifactReference, 'sha256'>,
): Fingerprint {
  const { judging, filtering, pairs } = configuration;
  return {
    ...(pairs.parts === 1 ? {} : { ...partOfRun(configuration, iteration) }),
    stage: 'judgePairs' satisfies StageName,
    prompt: stableHash(canonicalJson(plans === undefined ? prompts.judge : prompts.execution)),
    ...(plans === undefined ? {} : { plans: plans.sha256 }),
    samples: judging.samples,
    sampling: judging.sampling,
    strategy: strategyFingerprintInputs(judging.strategy, filtering),
    ...marksFingerprintInputs(configuration),
    ...trainedTaskInputs(prompts),
  };
}

/** The fingerprint inputs that decide the number of judgments. */
function strategyFingerprintInputs(
  strategy: SamplingStrategy,
  {
    judgmentsPerExample,
    minReasoning,
  }: Pick<Configuration['filtering'], 'judgmentsPerExample' | 'minReasoning'>,
): Fingerprint {
  const needed = requiredJudgments(strategy, judgmentsPerExample);
  if (strategy.kind === 'all' || needed === undefined) return { kind: 'all' };
  return {
    kind: strategy.kind,
    initialBatchSize: strategy.initialBatchSize,
    correct: needed.correct,
    incorrect: needed.incorrect,
    ...minReasoningInputs(minReasoning),
  };
}
