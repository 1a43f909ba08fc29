import type { ShardInput, ShardResult } from '../api/activity-types.ts';
import type { StageName } from '../api/stages.ts';
import { partOfRun } from '../config/fine-tuning.ts';
import { marksFingerprintInputs, reasoningMarksOf } from '../config/reasoning.ts';
import type { Configuration } from '../config/run-configuration.ts';
import type { ResponsePair } from '../method/examples.ts';
import { isInPart } from '../method/pair-parts.ts';
import { instructionKey } from '../method/plans.ts';
import { renderPrompt, type PromptTemplate } from '../method/prompt-template.ts';
import type { TrainedRecord } from '../method/task-examples.ts';
import { answerOf } from '../method/reasoning.ts';
import { samplingSeed } from '../method/seeds.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { openRun, type ResolvedConfiguration } from '../runs/open-run.ts';
import type { Prompts } from '../runs/prompts.ts';
import { isUsablePlan, type Plan } from '../runs/records.ts';
import type { Fingerprint } from '../store/artifact.ts';
import type { ShardRecord } from '../store/shard-types.ts';
import type { Dependencies } from './dependencies.ts';
import { drawSamples } from './draw-samples.ts';
import { processShard } from './process-shard.ts';

/** An instruction of a shard's pairs. Several pairs may have the same one. */
interface PlannedInstruction {
  readonly id: string;
  readonly instruction: string;
}

/**
 * Samples plans for the judging of every instruction that a shard has pairs of (EvalPlanner, arXiv 2501.18099). A plan is written
 * without the responses, so both orders of all its pairs follow the same ones. Sample k has the seed of the instruction plus k.
 */
export function planJudgments(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return processShard<
    ResolvedConfiguration,
    ResponsePair | TrainedRecord,
    PlannedInstruction,
    Plan & ShardRecord,
    Plan
  >(deps, 'planJudgments', input, openRun, ({ configuration, prompts }) => {
    const { plan, prompt } = requirePlanning(configuration, prompts);
    const marks = reasoningMarksOf(configuration);
    const part = partOfRun(configuration, input.iteration);
    return {
      fingerprintInputs: planFingerprintInputs(configuration, prompts, input.iteration),
      units: (items) => {
        // Records of tasks beyond pairs are judged without plans.
        const pairs = items.filter((item) => !('task' in item) && isInPart(item.id, part));
        const instructions = pairs.map((pair) => pair.instruction);
        return [...new Set(instructions)].map((instruction) => ({
          id: instructionKey(instruction),
          instruction,
        }));
      },
      work: async ({ id, instruction }, existing, emit, ask) => {
        await drawSamples<Plan>(
          {
            messages: renderPrompt(prompt, { instruction }),
            judging: { ...plan, strategy: { kind: 'all' } },
            seed: samplingSeed(configuration.seed, 'plan', input.iteration, id),
            ask,
            receive({ finishReason, ...text }, sample, usage) {
              const sampled = {
                id: `${id}/${String(sample).padStart(4, '0')}`,
                unit: id,
                sample,
                text: answerOf(text, marks).trim(),
                finishReason,
              };
              emit({ ...sampled, ...(usage && { usage }) });
              return sampled;
            },
            isEnough: () => false,
          },
          existing,
        );
      },
      assembleResults: (_instruction, records) => records.map(({ usage: _usage, ...result }) => result),
      countResults(plans) {
        const unusable = plans.filter((each) => !isUsablePlan(each)).length;
        return { plans: plans.length, ...(unusable === 0 ? {} : { 'plans cut off or empty': unusable }) };
      },
    };
  });
}

/** The fingerprint inputs of the plans of a shard. */
export function planFingerprintInputs(
  configuration: Pick<Configuration, 'judging' | 'reasoning' | 'pairs' | 'fineTuning'>,
  prompts: Pick<Prompts, 'plan'>,
  iteration: number,
): Fingerprint {
  const { plan, prompt } = requirePlanning(configuration, prompts);
  return {
    ...(configuration.pairs.parts === 1 ? {} : { ...partOfRun(configuration, iteration) }),
    stage: 'planJudgments' satisfies StageName,
    prompt: stableHash(canonicalJson(prompt)),
    samples: plan.samples,
    sampling: plan.sampling,
    ...marksFingerprintInputs(configuration),
  };
}

function requirePlanning({ judging }: Pick<Configuration, 'judging'>, prompts: Pick<Prompts, 'plan'>) {
  const { plan } = judging;
  const prompt: PromptTemplate | undefined = prompts.plan;
  if (plan === undefined || prompt === undefined) throw new InvalidInput('judging.plan is not set');
  return { plan, prompt };
}
