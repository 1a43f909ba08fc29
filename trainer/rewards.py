"""Rewards of GRPO: functions of the judgments that were sampled for the prompts of a generation batch.

TRL calls a reward function with lists that have one entry for each judgment: the judgments of a prompt follow each other,
and so do the two rows of a pair. The columns of the rows are among its arguments. It returns a number for each judgment.

The two rows of a pair are its orders or, if the task is to score a single response, its responses: the one that comes first
in the order. A row of a labelled record (tasks beyond pairs) stands for itself: its judgments are right or wrong by its label.
"""

from trainer.verdicts import choice_of, correctness_of, score_of, scores_of, verdict_of

COUNTERPART = {'better-first': 'worse-first', 'worse-first': 'better-first'}


def reward_function(job):
    """The reward that the job names; TRL logs it under the function's name."""
    marks = job.reasoningMarks

    def verdict(completions, label, item, order, task, **_):
        """1 if the verdict is that of the label, else 0 (J1, section 3: verdict correctness)."""
        return rewards_of(completions, label, item, order, task, marks, in_both_orders=False)

    def both_orders(completions, label, item, order, task, **_):
        """1 if both the verdict and that of the judgment with the same number in the other order of the pair are right, else
        0 (J1, section 3: verdict consistency)."""
        return rewards_of(completions, label, item, order, task, marks, in_both_orders=True)

    return {'verdict': verdict, 'both-orders': both_orders}[job.hyperparameters.reward]


def rewards_of(completions, labels, items, orders, tasks, marks, in_both_orders):
    """Texts of completions are lists of one message. Whatever the reward, a single response is compared with the other
    one of its pair: the judgments with the same number are both right if the better response has the higher score (J1,
    section 3: distant supervision)."""
    texts = [answer[-1]['content'] for answer in completions]
    places = list(numbered(items, orders))
    found = [READ[task](text, label, marks) for text, label, task in zip(texts, labels, tasks, strict=True)]
    by_place = dict(zip(places, found, strict=True))
    rewards = []
    for (item, order, number), value, task in zip(places, found, tasks, strict=True):
        if task not in PAIR_TASKS:
            rewards.append(value)
        elif task == 'pointwise':
            other = by_place[item, COUNTERPART[order], number]
            better, worse = (value, other) if order == 'better-first' else (other, value)
            rewards.append(float(better is not None and worse is not None and better > worse))
        else:
            rewards.append(value * (by_place[item, COUNTERPART[order], number] if in_both_orders else 1))
    return rewards


def numbered(items, orders):
    """The place of each judgment: pair or record, order, and its number among those of the same row."""
    numbers = {}
    for item, order in zip(items, orders, strict=True):
        number = numbers[item, order] = numbers.get((item, order), -1) + 1
        yield item, order, number


def right_verdict(text, side, marks):
    return float(verdict_of(text, marks) == side)


def right_scores(text, side, marks):
    """1 if the better side has the higher score, and no letter says otherwise."""
    scores = scores_of(text, marks)
    if scores is None or verdict_of(text, marks) not in (side, 'none'):
        return 0.0
    other = 'B' if side == 'A' else 'A'
    return float(scores[side] > scores[other])


def right_score(text, label, marks):
    """1 if the score is within half a point of the label, else 0: all or nothing as J1's rewards of verdicts (section 3), by
    the rule that keeps judgments for SFT (src/method/tasks.ts)."""
    score = score_of(text, marks)
    return float(score is not None and abs(score - float(label)) <= 0.5)


PAIR_TASKS = {
    'pairwise': right_verdict,
    'pairwise-scores': right_scores,
    'pointwise': lambda text, _side, marks: score_of(text, marks),
}
RECORD_TASKS = {
    'score': right_score,
    'rank': lambda text, letter, marks: float(choice_of(text, marks) == letter),
    'verify': lambda text, label, marks: float(correctness_of(text, marks) == label),
}
READ = PAIR_TASKS | RECORD_TASKS
