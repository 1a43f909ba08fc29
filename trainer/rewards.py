"""Rewards of GRPO: functions of the judgments that were sampled for the prompts of a generation batch.

TRL calls a reward function with lists that have one entry for each judgment: the judgments of a prompt follow each other,
and so do the two rows of a pair. The columns of the rows are among its arguments. It returns a number for each judgment.

The two rows of a pair are its orders or, if the task is to score a single response, its responses: the one that comes first
in the order.
"""

from trainer.verdicts import score_of, scores_of, verdict_of

COUNTERPART = {'better-first': 'worse-first', 'worse-first': 'better-first'}


def reward_function(job):
    """The reward that the job names; TRL logs it under the function's name."""
    marks = job.reasoningMarks

    def verdict(completions, betterSide, pair, order, task, **_):
        """1 if the verdict is the better side, else 0 (J1, section 3: verdict correctness)."""
        return rewards_of(completions, betterSide, pair, order, task, marks, in_both_orders=False)

    def both_orders(completions, betterSide, pair, order, task, **_):
        """1 if both the verdict and that of the judgment with the same number in the other order are right, else 0 (J1,
        section 3: verdict consistency)."""
        return rewards_of(completions, betterSide, pair, order, task, marks, in_both_orders=True)

    return {'verdict': verdict, 'both-orders': both_orders}[job.hyperparameters.reward]


def rewards_of(completions, sides, pairs, orders, tasks, marks, in_both_orders):
    """Texts of completions are lists of one message. Whatever the reward, a single response is compared with the other
    one of its pair: the judgments with the same number are both right if the better response has the higher score (J1,
    section 3: distant supervision)."""
    texts = [answer[-1]['content'] for answer in completions]
    places = list(numbered(pairs, orders))
    found = [READ[task](text, side, marks) for text, side, task in zip(texts, sides, tasks, strict=True)]
    by_place = dict(zip(places, found, strict=True))
    rewards = []
    for (pair, order, number), value, task in zip(places, found, tasks, strict=True):
        if task == 'pointwise':
            other = by_place[pair, COUNTERPART[order], number]
            better, worse = (value, other) if order == 'better-first' else (other, value)
            rewards.append(float(better is not None and worse is not None and better > worse))
        else:
            rewards.append(value * (by_place[pair, COUNTERPART[order], number] if in_both_orders else 1))
    return rewards


def numbered(pairs, orders):
    """The place of each judgment: pair, order, and its number among those of the same row."""
    numbers = {}
    for pair, order in zip(pairs, orders, strict=True):
        number = numbers[pair, order] = numbers.get((pair, order), -1) + 1
        yield pair, order, number


def right_verdict(text, side, marks):
    return float(verdict_of(text, marks) == side)


def right_scores(text, side, marks):
    """1 if the better side has the higher score, and no letter says otherwise."""
    scores = scores_of(text, marks)
    if scores is None or verdict_of(text, marks) not in (side, 'none'):
        return 0.0
    other = 'B' if side == 'A' else 'A'
    return float(scores[side] > scores[other])


READ = {
    'pairwise': right_verdict,
    'pairwise-scores': right_scores,
    'pointwise': lambda text, _side, marks: score_of(text, marks),
}
