import { isDeepStrictEqual } from 'node:util';
import type { BenchmarkScores } from '../../benchmarks/benchmark.ts';
import { judgeSampling } from '../../config/benchmark-sampling.ts';
import { roundForIteration } from '../../config/fine-tuning.ts';
import type { Configuration } from '../../config/run-configuration.ts';
import type { JudgeFile } from '../../api/judge-file.ts';
import type { PromptTemplate } from '../../method/prompt-template.ts';
import { TASK_NAMES, TASKS } from '../../method/tasks.ts';
import { LETTER_PATTERN } from '../../method/verdict.ts';
import { reasoningMarksOf } from '../../config/reasoning.ts';
import { directPromptOf, trainedPromptOf, type Prompts } from '../../runs/prompts.ts';
import type { NamedModel } from '../named-model.ts';

/** The data of a judge for its `judge.json`. */
export interface JudgeFileData {
  readonly iteration: number;
  readonly configuration: Pick<
    Configuration,
    'runName' | 'fineTuning' | 'judging' | 'evaluation' | 'reasoning'
  >;
  /** The prompts for sampling judgments, for training, for direct verdicts, and of benchmarks. */
  readonly prompts: Pick<Prompts, 'judge' | 'training' | 'direct' | 'trainedTasks' | 'evaluation'>;
  readonly seedModel: NamedModel;
  /** Empty before the evaluation. */
  readonly evaluations: readonly {
    readonly benchmark: string;
    readonly purpose: 'validation' | 'test';
    readonly scores: BenchmarkScores;
  }[];
  /** The temperature of its verdicts, if it was fitted. */
  readonly temperature?: number | undefined;
}

/** Makes the content of `judge.json`. It doesn't depend on the time or the machine. */
export function makeJudgeFile(data: JudgeFileData): JudgeFile {
  const { iteration, configuration, prompts, seedModel, evaluations } = data;
  const { runName, fineTuning, judging, evaluation } = configuration;
  const isTrained = iteration > 0;
  const seed = modelFields(seedModel);
  const prompt = promptFields(
    isTrained ? trainedPromptOf(prompts, roundForIteration(fineTuning, iteration)) : prompts.judge,
  );
  const direct = directFields(data, prompt);
  return {
    formatVersion: 1,
    run: runName,
    iteration,
    seedModel: seed,
    ...(isTrained && fineTuning.adapter.kind === 'lora'
      ? { adapter: { kind: 'lora' as const, base: previousJudge() ?? seed } }
      : {}),
    prompt,
    ...taskFields(evaluation, prompts),
    sampling: judgeSampling(evaluation),
    ...(direct === undefined ? {} : { direct }),
    verdict: {
      parser: 'one-distinct-letter',
      pattern: LETTER_PATTERN,
      letters: { A: 'A', B: 'B', C: 'tie' },
      reasoningMarks: reasoningMarksOf(configuration).map((marks) => ({ ...marks })),
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

  /** The previous judge if the training started from it. */
  function previousJudge(): JudgeFile['seedModel'] | undefined {
    const isContinued = iteration > 1 && roundForIteration(fineTuning, iteration).initFrom === 'previous';
    return isContinued ? { name: `${runName} M_${iteration - 1}` } : undefined;
  }
}

/** Formats the content of the file: JSON with an indentation of two spaces and a final newline. */
export function formatJudgeFile(judge: JudgeFile): string {
  return `${JSON.stringify(judge, undefined, 2)}\n`;
}

/**
 * How the judge is asked for direct verdicts: with the prompt that it was trained with for them, or else with the one on which
 * validation measured its probabilities, unless that is the prompt with which it reasons.
 */
function directFields(
  { iteration, configuration, prompts, temperature }: JudgeFileData,
  reasoned: JudgeFile['prompt'],
): JudgeFile['direct'] {
  const { fineTuning, evaluation } = configuration;
  const taught =
    iteration > 0 ? directPromptOf(prompts, roundForIteration(fineTuning, iteration)) : undefined;
  const measured = measuredPrompt(evaluation, prompts.evaluation);
  const isDirect = measured !== undefined && !isDeepStrictEqual(measured, reasoned);
  const prompt = taught === undefined ? (isDirect ? measured : undefined) : promptFields(taught);
  if (prompt === undefined) return undefined;
  // The temperature of another prompt says nothing about this one.
  const isFitted = temperature !== undefined && isDeepStrictEqual(measured, prompt);
  return { prompt, ...(isFitted ? { temperature } : {}) };
}

/** The prompt of the validation benchmarks that measure probabilities; undefined if they have several. */
function measuredPrompt(
  { benchmarks }: Configuration['evaluation'],
  prompts: Prompts['evaluation'],
): JudgeFile['prompt'] | undefined {
  const measured = benchmarks.filter(
    ({ purpose, probabilities }) => purpose === 'validation' && probabilities === true,
  );
  const [first, ...others] = measured.flatMap(({ name }) =>
    Object.values(prompts[name] ?? {}).map(promptFields),
  );
  return others.every((other) => isDeepStrictEqual(other, first)) ? first : undefined;
}

/** The sampling of votes, which must differ: if the evaluation samples greedily, votes are sampled like the training's judgments. */
function votingSampling(
  judging: Configuration['judging'],
  evaluation: Configuration['evaluation'],
): JudgeFile['sampling'] {
  const single = judgeSampling(evaluation);
  if (single.temperature > 0) return single;
  const { temperature, topP } = judging.sampling;
  return { temperature, topP, maxTokens: single.maxTokens };
}

/** The prompts of the tasks that the run trains, or that benchmarks have; of several benchmarks of a task, those of the first. */
function taskFields(
  { benchmarks }: Configuration['evaluation'],
  { trainedTasks: trained, evaluation: prompts }: Pick<Prompts, 'trainedTasks' | 'evaluation'>,
): Pick<JudgeFile, 'tasks'> {
  const tasks = TASK_NAMES.flatMap((task) => {
    const { name = '' } = benchmarks.find(({ format }) => format === TASKS[task].benchmark) ?? {};
    const { plain, reference } = trained?.[task] ?? prompts[name] ?? {};
    if (plain === undefined || reference === undefined) return [];
    return [[task, { plain: promptFields(plain), reference: promptFields(reference) }] as const];
  });
  return tasks.length === 0 ? {} : { tasks: Object.fromEntries(tasks) };
}

function modelFields({ name, repository }: NamedModel): JudgeFile['seedModel'] {
  return { name, ...(repository === undefined ? {} : { repository }) };
}

function promptFields({ system, examples, user }: PromptTemplate): JudgeFile['prompt'] {
  return {
    ...(system === undefined ? {} : { system }),
    ...(examples === undefined
      ? {}
      : { examples: examples.map((example) => ({ user: example.user, assistant: example.assistant })) }),
    user,
  };
}
