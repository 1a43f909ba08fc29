/** Asks a judge about a record of a task beyond pairs. Command and client share this code. */
import { renderPrompt } from '../method/prompt-template.ts';
import type { VotingOptions } from '../method/pair-comparison.ts';
import type { ReasoningMarks } from '../method/reasoning.ts';
import { samplingSeed } from '../method/seeds.ts';
import { requestedTurns, taskTurn, taskVerdict, type TaskVerdict } from '../method/task-verdicts.ts';
import { type TaskName, type TaskPrompts, taskQuestion, type TaskRecord } from '../method/tasks.ts';
import { type JudgeUsage, usageOfVotes } from './judge-pair.ts';
import { type AskJudge, requestVotes, type Vote } from './vote.ts';

/** The judge of a task: its prompts, and how it is asked. */
export interface TaskJudge {
  readonly task: TaskName;
  readonly prompts: TaskPrompts;
  readonly reasoningMarks?: readonly ReasoningMarks[] | undefined;
  readonly voting: VotingOptions;
  readonly seed: number;
}

/** The order of a turn, in the id of its votes. */
type TurnOrder = `turn-${number}`;
export type TaskVote = Vote<TurnOrder>;

/**
 * Requests the missing votes on a record in all turns, and emits each vote as soon as it arrives.
 * @param forEach asks in several turns, together or one after the other
 */
export async function collectTaskVotes(
  { task, prompts, voting, seed }: TaskJudge,
  unit: { readonly id: string; readonly record: TaskRecord },
  existing: readonly TaskVote[],
  emit: (vote: TaskVote) => void,
  ask: AskJudge,
  forEach: (turns: readonly number[], work: (turn: number) => Promise<void>) => Promise<unknown>,
): Promise<void> {
  const { record } = unit;
  const turns = requestedTurns(record.responses.length, voting);
  await forEach([...turns.keys()], (turn) => {
    const responses = (turns[turn] ?? []).map((index) => record.responses[index] ?? '');
    const { prompt, values } = taskQuestion(task, { ...record, responses });
    const request = {
      order: orderOf(turn),
      messages: renderPrompt(prompts[prompt], values),
      sampling: voting.sampling,
      samples: voting.votes,
      seed: samplingSeed(seed, task, ...Object.values(values)),
    };
    return requestVotes(request, unit.id, existing, emit, ask);
  });
}

/** Counts the votes on a record. */
export function taskVerdictOfVotes(
  { task, voting, reasoningMarks }: Pick<TaskJudge, 'task' | 'voting' | 'reasoningMarks'>,
  record: TaskRecord,
  votes: readonly TaskVote[],
): TaskVerdict & JudgeUsage {
  const byNumber = votes.toSorted((one, other) => one.vote - other.vote);
  const turns = requestedTurns(record.responses.length, voting).map((shown, turn) =>
    taskTurn(
      task,
      shown,
      byNumber.filter(({ order }) => order === orderOf(turn)),
      reasoningMarks,
    ),
  );
  return { ...taskVerdict(task, turns), ...usageOfVotes(votes) };
}

function orderOf(turn: number): TurnOrder {
  return `turn-${turn}`;
}
