import type { BenchmarkScores } from '../benchmarks/benchmark.ts';
import { roundOf } from '../config/fine-tuning.ts';
import type { Configuration } from '../config/schema.ts';
import type { JudgeFile } from '../contract/judge-file.ts';
import type { PromptTemplate } from '../judge/prompt-template.ts';
import { LETTER_PATTERN } from '../judge/verdict.ts';
import type { NamedModel } from './model-card.ts';

/** What a judge of a run is known by. */
export interface JudgeFileData {
  readonly iteration: number;
  readonly configuration: Pick<Configuration, 'runName' | 'fineTuning' | 'judging' | 'evaluation'>;
  /** The prompts that judgments are sampled with, and trained under. */
  readonly prompts: { readonly judge: PromptTemplate; readonly training: PromptTemplate };
  readonly seedModel: NamedModel;
  /** Empty before it was evaluated. */
  readonly evaluations: readonly {
    readonly benchmark: string;
    readonly purpose: 'validation' | 'test';
    readonly scores: BenchmarkScores;
  }[];
}

/** `judge.json` of one of a run's judges. Nothing in it depends on when or where it is written. */
export function judgeFile(data: JudgeFileData): JudgeFile {
  const { iteration, configuration, prompts, seedModel, evaluations } = data;
  const { runName, fineTuning, judging, evaluation } = configuration;
  const isTrained = iteration > 0;
  const seed = modelFields(seedModel);
  return {
    formatVersion: 1,
    run: runName,
    iteration,
    seedModel: seed,
    ...(isTrained && fineTuning.adapter.kind === 'lora'
      ? { adapter: { kind: 'lora' as const, base: startedFrom() ?? seed } }
      : {}),
    prompt: promptFields(isTrained ? prompts.training : prompts.judge),
    sampling: evaluation.sampling,
    verdict: {
      parser: 'one-distinct-letter',
      pattern: LETTER_PATTERN,
      letters: { A: 'A', B: 'B', C: 'tie' },
    },
    voting: {
      rule: 'majority',
      withoutVerdict: 'not-counted',
      draw: 'tie',
      sampling: votingSampling(judging, evaluation),
    },
    figures: evaluations.map(({ benchmark, purpose, scores }) => ({
      benchmark,
      format: scores.benchmark,
      purpose,
      pairs: scores.pairs,
      accuracy: scores.accuracy,
      accuracyInterval: scores.accuracyInterval,
      positionConsistentAccuracy: scores.positionConsistentAccuracy,
      positionConsistentAccuracyInterval: scores.positionConsistentAccuracyInterval,
      shareOfA: scores.shareOfA,
      unparsable: scores.unparsable,
    })),
  };

  /** The judge before, where training went on from it. */
  function startedFrom(): JudgeFile['seedModel'] | undefined {
    const goesOn = iteration > 1 && roundOf(fineTuning, iteration).startFrom === 'previous';
    return goesOn ? { name: `${runName} M_${iteration - 1}` } : undefined;
  }
}

/** As the file has it: `JSON.stringify` with two blanks and a newline at the end. */
export function judgeFileText(judge: JudgeFile): string {
  return `${JSON.stringify(judge, undefined, 2)}\n`;
}

/** Votes must differ: where the evaluation takes the likeliest token, they are sampled as the training's judgments are. */
function votingSampling(
  judging: Configuration['judging'],
  evaluation: Configuration['evaluation'],
): JudgeFile['sampling'] {
  if (evaluation.sampling.temperature > 0) return evaluation.sampling;
  const { temperature, topP } = judging.sampling;
  return { temperature, topP, maxTokens: evaluation.sampling.maxTokens };
}

function modelFields({ name, repository }: NamedModel): JudgeFile['seedModel'] {
  return { name, ...(repository === undefined ? {} : { repository }) };
}

function promptFields({ system, examples, user }: PromptTemplate): JudgeFile['prompt'] {
  return {
    ...(system === undefined ? {} : { system }),
    ...(examples === undefined
      ? {}
      : { examples: examples.map(({ user: asked, assistant }) => ({ user: asked, assistant })) }),
    user,
  };
}
