/** Judges the records of tasks beyond pairs, which are further shards of the judged pairs. */
import { reasoningMarksOf } from '../config/reasoning.ts';
import { renderPrompt } from '../method/prompt-template.ts';
import { isCorrect } from '../method/rejection-sampling.ts';
import { hasRequiredJudgments, requiredJudgments } from '../method/sampling-batches.ts';
import { samplingSeed } from '../method/seeds.ts';
import { isVerdictRight, type TaskExample } from '../method/task-examples.ts';
import { parseTaskVerdict, taskQuestion, TASKS } from '../method/tasks.ts';
import type { Side, Verdict } from '../method/verdict.ts';
import { wordsBeforeVerdict } from '../method/words-before-verdict.ts';
import type { Counts } from '../store/artifact.ts';
import type { ShardRecord } from '../store/shard-types.ts';
import type { ResolvedConfiguration } from '../runs/open-run.ts';
import { trainedTaskPrompts } from '../runs/prompts.ts';
import type { RecordJudgment } from '../runs/records.ts';
import type { SendRequest } from './process-shard.ts';
import { drawSamples } from './draw-samples.ts';

/** Stands for a right verdict in the rules of rejection sampling, which know sides. */
const RIGHT: Side = 'A';

/** Samples judgments of a record, as of a pair, with the prompt of its task. */
export async function judgeRecord(
  { configuration, prompts }: ResolvedConfiguration,
  iteration: number,
  example: TaskExample,
  existing: readonly RecordJudgment[],
  emit: (judgment: RecordJudgment & ShardRecord) => void,
  ask: SendRequest,
): Promise<void> {
  const { seed, judging, filtering } = configuration;
  const { id: unit, recordId, order, task, record } = example;
  const marks = reasoningMarksOf(configuration);
  const { prompt, values } = taskQuestion(task, record);
  const needed = requiredJudgments(judging.strategy, filtering.judgmentsPerExample);
  const asSide = (judgment: RecordJudgment) => ({
    ...judgment,
    verdict: sideOf(example, judgment.verdict),
  });
  await drawSamples<RecordJudgment>(
    {
      messages: renderPrompt(trainedTaskPrompts(prompts, task)[prompt], values),
      judging,
      seed: samplingSeed(seed, 'judge', iteration, unit),
      ask,
      receive({ text, reasoning, finishReason }, sample, usage) {
        const verdict = parseTaskVerdict(task, text, record.responses.length, marks) ?? 'none';
        const judgment: RecordJudgment = {
          id: `${unit}/${String(sample).padStart(4, '0')}`,
          sample,
          text,
          ...(reasoning === undefined ? {} : { reasoning }),
          verdict,
          finishReason,
          ...{ recordId, order, task },
          correct: isCorrect({ verdict: sideOf(example, verdict), finishReason }, RIGHT),
        };
        emit({ ...judgment, unit, ...(usage && { usage }) });
        return judgment;
      },
      isEnough: (drawn) =>
        hasRequiredJudgments(
          drawn.map(asSide),
          RIGHT,
          needed,
          (judgment) =>
            filtering.minReasoning === null ||
            wordsBeforeVerdict(judgment, marks, TASKS[task].pattern) >= filtering.minReasoning,
        ),
    },
    existing,
  );
}

/** Counts the judgments of records; none of these counts if there are none. */
export function countRecordJudgments(judgments: readonly RecordJudgment[]): Counts {
  if (judgments.length === 0) return {};
  return {
    taskJudgments: judgments.length,
    correctTaskJudgments: judgments.filter(({ correct }) => correct).length,
    unparsableTaskJudgments: judgments.filter(({ verdict }) => verdict === 'none').length,
  };
}

function sideOf(example: TaskExample, verdict: string): Verdict {
  return isVerdictRight(example, verdict) ? RIGHT : 'none';
}
