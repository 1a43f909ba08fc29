import { canonicalJson } from '../artifacts/canonical-json.ts';
import { InputProblem } from '../artifacts/errors.ts';
import type { ArtifactReference, Fingerprint } from '../artifacts/reference.ts';
import { shardsOf } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import type { Configuration } from '../config/schema.ts';
import { roundOf } from '../config/fine-tuning.ts';
import {
  chooseJudgments,
  type Choice,
  type ChoosingRules,
  type JudgedExample,
} from '../judge/choose-judgments.ts';
import { exampleId, judgeExample, ORDERS, shownToJudge, type ResponsePair } from '../judge/examples.ts';
import {
  filterStatistics,
  outcomesOf,
  type ExampleOutcome,
  type FilterStatistics,
  type FilterStepName,
  type TaughtExample,
} from '../judge/filter-statistics.ts';
import { balanceInSources, GENERATED, mixSources } from '../judge/mix-sources.ts';
import { renderPrompt, type Message } from '../judge/prompt-template.ts';
import { hashOf } from '../judge/seeds.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import type { Judgment } from './judge-pairs.ts';
import { openRun, runUris, type ResolvedConfiguration } from './open-run.ts';
import { makePreferenceSet } from './preference-set.ts';
import type { RunReference, StageResult } from './types.ts';

/**
 * A row of the training set, in TRL's prompt-completion layout: loss falls on the completion alone. Its id is that of
 * the judgment that it teaches.
 */
export interface TrainingExample {
  readonly id: string;
  readonly prompt: readonly Message[];
  readonly completion: readonly Message[];
}

export interface FilterInput {
  readonly run: RunReference;
  readonly iteration: number;
  readonly pairs: ArtifactReference;
  readonly judgments: ArtifactReference;
}

/** What the fingerprint of a training set holds of the artifacts that it is made from. */
export type JudgedInput = Readonly<Record<'pairs' | 'judgments', Pick<ArtifactReference, 'sha256'>>>;

/** Beside the training set: what became of each example. */
const EXAMPLES_FILE = 'examples.jsonl';

/** What of `filtering` and `judging` decides which judgments teach. */
function choosingRules({ judging, filtering }: Configuration): ChoosingRules & { samples: number } {
  const { target, judgmentsPerExample, majorityThreshold, positionConsistentOnly } = filtering;
  const { strategy, samples } = judging;
  return { strategy, samples, target, judgmentsPerExample, majorityThreshold, positionConsistentOnly };
}

/** The parts of the training set that are asked for, by source. */
function weightsOf({ humanData, generatedWeight }: Configuration['filtering']): Record<string, number> {
  return {
    [GENERATED]: generatedWeight,
    ...Object.fromEntries(humanData.map(({ name, weight }) => [name, weight])),
  };
}

/**
 * Makes the training set of an iteration (method, step 4): for DPO preference pairs (preference-set.ts); for SFT of each
 * example's right judgments some, then as many A as B. Its manifest's summary says how many were left after each step,
 * `examples.jsonl` what became of each. Two passes over the shards, so that memory holds ids and not texts.
 * @throws InputProblem when less than `filtering.minimumExamples` is left
 */
export function filterJudgments(deps: Dependencies, input: FilterInput): Promise<StageResult> {
  return withHeartbeats(async () => {
    const began = Date.now();
    const resolved = await openRun(deps.store, input.run);
    const { configuration, prompts } = resolved;
    const { seed, filtering } = configuration;
    const round = roundOf(configuration.fineTuning, input.iteration);
    if (round.method === 'dpo')
      return makePreferenceSet(deps, input, resolved, round, () => judgedExamples(deps, input));
    const rules = choosingRules(configuration);
    const { strategy } = rules;
    const uri = runUris.trainingSet(input.run.runName, input.iteration);
    const weights = weightsOf(filtering);
    const mixes = Object.keys(weights).length > 1;
    const fingerprint = examplesFingerprint(resolved, input);
    const complete = await deps.store.completed(uri, fingerprint);
    const manifest = complete ?? (await publishTrainingSet());
    return { artifact: referenceTo(manifest), counts: manifest.counts, seconds: (Date.now() - began) / 1000 };

    async function publishTrainingSet() {
      const outcomes: ExampleOutcome[] = [];
      const kept: TaughtExample[] = [];
      for await (const { pair, orders } of judgedPairs(deps, input)) {
        const choices = chooseJudgments(orders, rules, seed);
        outcomes.push(...outcomesOf(orders, choices));
        kept.push(...choices.flatMap((choice) => taughtBy(choice, pair.source ?? GENERATED)));
      }
      const balanced = filtering.balance ? balanceInSources(kept, seed) : kept;
      const taught = mixes ? mixSources(balanced, new Map(Object.entries(weights)), seed) : balanced;
      const statistics = filterStatistics({
        outcomes,
        steps: stepsOfChoosing(rules),
        later: [
          ...(filtering.balance ? [{ step: 'are left after balance' as const, left: balanced }] : []),
          ...(mixes ? [{ step: 'are left after mixing' as const, left: taught }] : []),
        ],
        taught,
        samples: strategy.kind === 'all' ? rules.samples : undefined,
      });
      if (taught.length < filtering.minimumExamples)
        throw tooFewExamples(input.iteration, filtering.minimumExamples, taught.length, statistics);
      return deps.store.publish(uri, {
        fingerprint,
        counts: {
          examples: outcomes.length,
          kept: outcomes.filter(({ kept: judgments }) => judgments > 0).length,
          trainingExamples: taught.length,
        },
        summary: statistics,
        files: { [EXAMPLES_FILE]: outcomes },
        records: trainingExamples(new Set(taught.map(({ id }) => id))),
      });
    }

    async function* trainingExamples(chosen: ReadonlySet<string>): AsyncGenerator<TrainingExample> {
      for await (const { example, judgments } of judgedExamples(deps, input)) {
        const prompt = renderPrompt(prompts.training, shownToJudge(example));
        for (const { id, text } of judgments)
          if (chosen.has(id)) yield { id, prompt, completion: [{ role: 'assistant', content: text }] };
      }
    }
  });
}

/** What a training set of single judgments means. */
export function examplesFingerprint(
  { configuration, prompts }: ResolvedConfiguration,
  { pairs, judgments }: JudgedInput,
): Fingerprint {
  const { seed, filtering } = configuration;
  const { strategy, samples: _samples, ...meaning } = choosingRules(configuration);
  return {
    schema: 2,
    stage: 'filter-judgments',
    seed,
    pairs: pairs.sha256,
    judgments: judgments.sha256,
    trainingPrompt: hashOf(canonicalJson(prompts.training)),
    strategy: strategy.kind,
    ...meaning,
    balance: filtering.balance,
    weights: weightsOf(filtering),
  };
}

function taughtBy(choice: Choice<Judgment>, source: string): TaughtExample[] {
  if (choice.dropped !== undefined) return [];
  const { example, rightSide, kept } = choice;
  return kept.map(({ id }) => ({ id, exampleId: example.id, side: rightSide, source }));
}

function stepsOfChoosing(rules: ChoosingRules): Set<FilterStepName> {
  const steps: FilterStepName[] = ['are judged', 'have a right judgment'];
  if (rules.target === 'majority-vote') steps.push('have a majority');
  if (rules.majorityThreshold !== null) steps.push('reach the majority threshold');
  if (rules.positionConsistentOnly) steps.push('are position-consistent');
  return new Set(steps);
}

function tooFewExamples(
  iteration: number,
  minimum: number,
  left: number,
  { steps: [judged, ...steps] }: FilterStatistics,
): InputProblem {
  const where = steps.map(({ step, examples }) => `${examples} ${step}`).join(', ');
  return new InputProblem(
    `iteration ${iteration} has ${left} training examples, fewer than filtering.minimumExamples (${minimum}): ` +
      `of ${judged?.examples ?? 0} examples ${where}. More pairs or more samples give more.`,
  );
}

/**
 * Every pair with the judgments of both its orders, in the order of ids, one shard in memory at a time.
 * @param inOrder the shards' numbers in another order
 */
export async function* judgedPairs<Pair extends ResponsePair = ResponsePair>(
  deps: Pick<Dependencies, 'store'>,
  { pairs, judgments }: Pick<FilterInput, 'pairs' | 'judgments'>,
  inOrder: (shards: number[]) => number[] = (shards) => shards,
): AsyncGenerator<{ pair: Pair; orders: readonly JudgedExample<Judgment>[] }> {
  const pairShards = await shardsOf(deps.store, pairs);
  const judgmentShards = await shardsOf(deps.store, judgments);
  for (const shard of inOrder([...pairShards.keys()])) {
    const [pairShard, judgmentShard] = [pairShards[shard], judgmentShards[shard]];
    if (pairShard === undefined || judgmentShard === undefined)
      throw new InputProblem(`${judgments.uri} has no shard ${shard}`);
    const byExample = Map.groupBy(await deps.store.records<Judgment>(judgmentShard), ({ pairId, order }) =>
      exampleId(pairId, order),
    );
    for (const pair of await deps.store.records<Pair>(pairShard)) {
      const examples = ORDERS.map((order) => judgeExample(pair, order));
      yield {
        pair,
        orders: examples.map((example) => ({ example, judgments: byExample.get(example.id) ?? [] })),
      };
    }
  }
}

/** Every example, a pair in one order, with its judgments, in the order of ids. */
export async function* judgedExamples(
  deps: Pick<Dependencies, 'store'>,
  input: Pick<FilterInput, 'pairs' | 'judgments'>,
): AsyncGenerator<JudgedExample<Judgment>> {
  for await (const { orders } of judgedPairs(deps, input)) yield* orders;
}
