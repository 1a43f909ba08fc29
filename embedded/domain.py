"""The small domain that the embedded seed model is trained on.

The model's training examples (pretrain.py), the instruction pool and the benchmark (make_data.py) are generated from
it. The self-teaching loop never reads this file: it sees instructions and the answers of models only.

An instruction asks one question about a short list of numbers, and its answer is one number:

    Find the second largest number in 72 60 15 48.        ->  60

There is also small talk ("Thank Mia for the flowers."), which the selection of instructions by category excludes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

PROMPTS = Path(__file__).resolve().parent.parent / "prompts" / "compact"

VERBS = ("Find", "Name", "Give")
NAMES = ("Mia", "Leo", "Ana", "Tom", "Eva", "Max", "Ida", "Ben", "Zoe", "Jan")
THINGS = ("flowers", "book", "tea", "letter", "song", "cake", "map", "lamp", "coat", "bread")
CHAT = ("Thank {name} for the {thing}.", "Ask {name} about the {thing}.", "Promise {name} the {thing}.")
CHAT_ANSWERS = ("Thanks for the {thing}, {name}.", "How is the {thing}, {name}?", "You get the {thing}, {name}.")

SMALLEST_NUMBER, LARGEST_NUMBER = 10, 99
SHORTEST_LIST, LONGEST_LIST = 3, 6


@dataclass(frozen=True)
class Task:
    """One kind of question.

    `laziness` is the probability that the seed judge guesses instead of working out the answer. `practice` is the
    weight with which the kind is sampled in the first phase of pretraining: harder kinds need more examples.
    """

    category: str
    phrase: str
    answer: Callable[[tuple[int, ...], int | None], int]
    laziness: float
    practice: float = 0.6
    is_possible: Callable[[tuple[int, ...]], bool] = lambda numbers: True


def _is_odd_length(numbers: tuple[int, ...]) -> bool:
    return len(numbers) % 2 == 1


TASKS: dict[str, Task] = {
    "first": Task("position", "{verb} the first number in {list}.", lambda n, _: n[0], 0.30),
    "last": Task("position", "{verb} the last number in {list}.", lambda n, _: n[-1], 0.52),
    "second": Task("position", "{verb} the second number in {list}.", lambda n, _: n[1], 0.58),
    "third": Task("position", "{verb} the third number in {list}.", lambda n, _: n[2], 0.72),
    "middle": Task(
        "position", "{verb} the middle number in {list}.", lambda n, _: n[len(n) // 2], 0.80, is_possible=_is_odd_length
    ),
    "after": Task(
        "neighbour", "{verb} the number after {anchor} in {list}.", lambda n, a: n[n.index(a) + 1], 0.62, 1.6
    ),
    "before": Task(
        "neighbour", "{verb} the number before {anchor} in {list}.", lambda n, a: n[n.index(a) - 1], 0.76, 1.6
    ),
    "largest": Task("comparison", "{verb} the largest number in {list}.", lambda n, _: max(n), 0.45),
    "smallest": Task("comparison", "{verb} the smallest number in {list}.", lambda n, _: min(n), 0.66, 1.0),
    "second-largest": Task(
        "comparison", "{verb} the second largest number in {list}.", lambda n, _: sorted(n)[-2], 0.84, 2.0
    ),
    "count": Task("counting", "Count the numbers in {list}.", lambda n, _: len(n), 0.56),
    "count-even": Task(
        "counting", "Count the even numbers in {list}.", lambda n, _: sum(x % 2 == 0 for x in n), 0.78, 2.0
    ),
}
CATEGORIES = ("position", "neighbour", "comparison", "counting", "chat")


@dataclass(frozen=True)
class Problem:
    """An instruction and the facts that determine its answer. `anchor` is the number that a neighbour task names."""

    task: str
    numbers: tuple[int, ...]
    verb: str
    anchor: int | None = None

    @property
    def instruction(self) -> str:
        listed = " ".join(map(str, self.numbers))
        return TASKS[self.task].phrase.format(verb=self.verb, list=listed, anchor=self.anchor)

    @property
    def answer(self) -> str:
        return str(TASKS[self.task].answer(self.numbers, self.anchor))

    @property
    def category(self) -> str:
        return TASKS[self.task].category


def with_task(rng: random.Random, task: str, numbers: tuple[int, ...], verb: str) -> Problem:
    """The problem that asks `task` about `numbers`. A neighbour task gets an anchor that has such a neighbour."""
    anchor = None
    if task == "after":
        anchor = rng.choice(numbers[:-1])
    elif task == "before":
        anchor = rng.choice(numbers[1:])
    return Problem(task, numbers, verb, anchor)


def sample_problem(rng: random.Random, task: str | None = None) -> Problem:
    task = task or rng.choice(list(TASKS))
    while True:
        length = rng.randint(SHORTEST_LIST, LONGEST_LIST)
        numbers = tuple(rng.sample(range(SMALLEST_NUMBER, LARGEST_NUMBER + 1), length))
        if TASKS[task].is_possible(numbers):
            return with_task(rng, task, numbers, rng.choice(VERBS))


def sample_near_miss(rng: random.Random, problem: Problem) -> Problem:
    """A problem that is similar to this one but has another answer."""
    while True:
        near = _perturbed(rng, problem)
        if near.answer != problem.answer:
            return near


def _perturbed(rng: random.Random, problem: Problem) -> Problem:
    numbers = problem.numbers
    if rng.random() < 0.6:
        same_category_only = rng.random() < 0.6
        others = [
            name
            for name, task in TASKS.items()
            if name != problem.task
            and task.is_possible(numbers)
            and (not same_category_only or task.category == problem.category)
        ]
        return with_task(rng, rng.choice(others), numbers, problem.verb)
    if problem.task == "count":
        # Replacing a number would not change the count: remove one or add one.
        changed = list(numbers)
        if len(changed) > SHORTEST_LIST and (len(changed) == LONGEST_LIST or rng.random() < 0.5):
            changed.pop(rng.randrange(len(changed)))
        else:
            changed.insert(rng.randint(0, len(changed)), _fresh_number(rng, numbers))
        return replace(problem, numbers=tuple(changed))
    if problem.anchor is not None and rng.random() < 0.5:
        return with_task(rng, problem.task, numbers, problem.verb)
    changed = list(numbers)
    index = rng.randrange(len(changed))
    if changed[index] == problem.anchor:
        index = (index + 1) % len(changed)
    changed[index] = _fresh_number(rng, numbers)
    return replace(problem, numbers=tuple(changed))


def _fresh_number(rng: random.Random, numbers: tuple[int, ...]) -> int:
    return rng.choice([x for x in range(SMALLEST_NUMBER, LARGEST_NUMBER + 1) if x not in numbers])


def sample_chat(rng: random.Random) -> tuple[str, str]:
    """An instruction of small talk and its answer."""
    kind = rng.randrange(len(CHAT))
    words = {"name": rng.choice(NAMES), "thing": rng.choice(THINGS)}
    return CHAT[kind].format(**words), CHAT_ANSWERS[kind].format(**words)


@lru_cache
def read_prompt(stage: str) -> str:
    """A prompt template of `prompts/compact`, without the line break at its end."""
    return (PROMPTS / stage / "user.txt").read_text(encoding="utf-8").removesuffix("\n")


def reasoned_judgment(answer: str, response_a: str, response_b: str, verdict: str) -> str:
    """States the answer, then the response of each side, then the side that has the answer.

    A small model can learn to look up the letter beside an answer, but does not learn to compare two answers.
    """
    return f"The answer is {answer}. {response_a} (A), {response_b} (B). So {answer} ({verdict}). [[{verdict}]]"


def lazy_judgment(verdict: str) -> str:
    return f"({verdict}) looks better. [[{verdict}]]"


def vocabulary_texts() -> list[str]:
    """Texts that contain every word of the domain; the vocabulary of the tokenizer is built from them."""
    templates = [read_prompt(stage) for stage in ("judge", "similar", "respond", "category")]
    phrases = [task.phrase for task in TASKS.values()]
    judgments = [f"{reasoned_judgment('', '', '', side)} {side} {lazy_judgment(side)}" for side in "AB"]
    texts = [*templates, *phrases, *CHAT, *CHAT_ANSWERS, *judgments]
    without_placeholders = [re.sub(r"\{\w+\}", " ", text) for text in texts]
    numbers = [str(number) for number in range(LARGEST_NUMBER + 1)]
    return [*numbers, *VERBS, *NAMES, *THINGS, *CATEGORIES, *without_placeholders, "- : ; ! ?"]
