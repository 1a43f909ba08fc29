"""Rewards of GRPO: functions of the judgments that were sampled for the prompts of a generation batch.

TRL calls a reward function with lists that have one entry for each judgment: the judgments of a prompt follow each other,
and so do the two orders of a pair. The columns of the rows are among its arguments. It returns a number for each judgment.
"""

from trainer.verdicts import verdict_of


def reward_function(job):
    """The reward that the job names; TRL logs it under the function's name."""
    marks = job.reasoningMarks

    def verdict(completions, betterSide, **_):
        """1 if the verdict is the better side, else 0 (J1, section 3: verdict correctness)."""
        return correct(completions, betterSide, marks)

    def both_orders(completions, betterSide, pair, order, **_):
        """1 if both the verdict and that of the judgment with the same number in the other order are right, else 0 (J1,
        section 3: verdict consistency)."""
        return consistent(correct(completions, betterSide, marks), pair, order)

    return {'verdict': verdict, 'both-orders': both_orders}[job.hyperparameters.reward]


def correct(completions, sides, marks):
    """Texts of completions are lists of one message."""
    return [float(verdict_of(answer[-1]['content'], marks) == side) for answer, side in zip(completions, sides, strict=True)]


def consistent(rewards, pairs, orders):
    """The product of the rewards of the same number in both orders of a pair."""
    numbers, places = {}, []
    for pair, order in zip(pairs, orders, strict=True):
        number = numbers[pair, order] = numbers.get((pair, order), -1) + 1
        places.append((pair, order, number))
    by_place = dict(zip(places, rewards, strict=True))
    counterpart = {'better-first': 'worse-first', 'worse-first': 'better-first'}
    return [reward * by_place[pair, counterpart[order], number] for reward, (pair, order, number) in zip(rewards, places)]
