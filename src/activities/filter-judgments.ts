import { canonicalJson } from '../artifacts/canonical-json.ts';
import { InputProblem } from '../artifacts/errors.ts';
import type { ArtifactReference, Counts } from '../artifacts/reference.ts';
import { shardsOf } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { balanceSides } from '../judge/balance.ts';
import {
  exampleId,
  judgeExample,
  ORDERS,
  shownToJudge,
  type JudgeExample,
  type ResponsePair,
} from '../judge/examples.ts';
import { roundOf } from '../config/fine-tuning.ts';
import { renderPrompt, type Message } from '../judge/prompt-template.ts';
import { keepRightJudgment } from '../judge/rejection-sampling.ts';
import { hashOf } from '../judge/seeds.ts';
import type { Side } from '../judge/verdict.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import type { Judgment } from './judge-pairs.ts';
import { openRun, runUris } from './open-run.ts';
import { makePreferenceSet } from './preference-set.ts';
import type { RunReference, StageResult } from './types.ts';

/** A row of the training set, in TRL's prompt-completion layout: loss falls on the completion alone. */
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

/** A kept judgment: which one, and the side that it decides for. */
interface Kept {
  readonly id: string;
  readonly side: Side;
  readonly judgmentId: string;
}

/**
 * Makes the training set of an iteration: for DPO preference pairs (preference-set.ts), for SFT of each example's right
 * judgments one, then as many A as B (method, step 4).
 * Two passes over the shards, so that memory holds ids and not texts.
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
    const uri = runUris.trainingSet(input.run.runName, input.iteration);
    const fingerprint = {
      schema: 1,
      stage: 'filter-judgments',
      seed,
      pairs: input.pairs.sha256,
      judgments: input.judgments.sha256,
      trainingPrompt: hashOf(canonicalJson(prompts.training)),
      balance: filtering.balance,
    };
    const complete = await deps.store.completed(uri, fingerprint);
    const manifest = complete ?? (await publishTrainingSet());
    return { artifact: referenceTo(manifest), counts: manifest.counts, seconds: (Date.now() - began) / 1000 };

    async function publishTrainingSet() {
      const kept: Kept[] = [];
      let examples = 0;
      for await (const { example, judgments } of judgedExamples(deps, input)) {
        examples += 1;
        const right = keepRightJudgment(judgments, example.betterSide, seed);
        if (right !== undefined)
          kept.push({ id: example.id, side: example.betterSide, judgmentId: right.id });
      }
      const chosen = filtering.balance ? balanceSides(kept, seed) : kept;
      const counts: Counts = { examples, kept: kept.length, trainingExamples: chosen.length };
      if (chosen.length < filtering.minimumExamples) {
        throw new InputProblem(
          `iteration ${input.iteration} has ${chosen.length} training examples, fewer than filtering.minimumExamples ` +
            `(${filtering.minimumExamples}): of ${examples} examples ${kept.length} have a right judgment, ` +
            `${chosen.length} are left after balancing. More instructions or more samples give more.`,
        );
      }
      const chosenJudgments = new Map(chosen.map(({ id, judgmentId }) => [id, judgmentId]));
      return deps.store.publish(uri, { fingerprint, counts, records: trainingExamples(chosenJudgments) });
    }

    async function* trainingExamples(chosen: ReadonlyMap<string, string>): AsyncGenerator<TrainingExample> {
      for await (const { example, judgments } of judgedExamples(deps, input)) {
        const judgment = judgments.find(({ id }) => id === chosen.get(example.id));
        if (judgment === undefined) continue;
        yield {
          id: example.id,
          prompt: renderPrompt(prompts.training, shownToJudge(example)),
          completion: [{ role: 'assistant', content: judgment.text }],
        };
      }
    }
  });
}

/** Every pair in both orders with its judgments, in the order of ids, one shard in memory at a time. */
export async function* judgedExamples(
  deps: Pick<Dependencies, 'store'>,
  { pairs, judgments }: Pick<FilterInput, 'pairs' | 'judgments'>,
): AsyncGenerator<{ example: JudgeExample; judgments: readonly Judgment[] }> {
  const judgmentShards = await shardsOf(deps.store, judgments);
  for (const [shard, pairShard] of (await shardsOf(deps.store, pairs)).entries()) {
    const judgmentShard = judgmentShards[shard];
    if (judgmentShard === undefined) throw new InputProblem(`${judgments.uri} has no shard ${shard}`);
    const byExample = Map.groupBy(await deps.store.records<Judgment>(judgmentShard), ({ pairId, order }) =>
      exampleId(pairId, order),
    );
    for (const pair of await deps.store.records<ResponsePair>(pairShard)) {
      for (const order of ORDERS) {
        const example = judgeExample(pair, order);
        yield { example, judgments: byExample.get(example.id) ?? [] };
      }
    }
  }
}
