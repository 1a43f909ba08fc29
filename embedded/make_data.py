"""Writes the data of the embedded example: the instruction pool and the held-out benchmark.

    python embedded/make_data.py

instructions.jsonl            the instructions that the loop learns from, without answers and without kinds of task
benchmark/validation.jsonl    the pairs that the checkpoint is selected by
benchmark/test.jsonl          the pairs whose results are reported

The benchmark has the columns of RewardBench and one subset for each kind of task. No question is in two of the three
files, not even with another verb.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import domain

FOLDER = Path(__file__).resolve().parent
POOL_SIZE = 2400
CHAT_IN_POOL = 240
VALIDATION_PAIRS_PER_TASK = 10
TEST_PAIRS_PER_TASK = 30
NEAR_MISSES = 0.8


class Questions:
    """Samples problems without repetition. Two problems that differ only in their verb count as the same."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._drawn: set[tuple[str, tuple[int, ...], int | None]] = set()

    def draw(self, task: str) -> domain.Problem:
        while True:
            problem = domain.sample_problem(self.rng, task)
            question = (problem.task, problem.numbers, problem.anchor)
            if question not in self._drawn:
                self._drawn.add(question)
                return problem


def benchmark(questions: Questions, pairs_per_task: int, first_id: int) -> list[dict[str, object]]:
    rows = []
    for task in domain.TASKS:
        for _ in range(pairs_per_task):
            problem = questions.draw(task)
            rejected, rejected_by = _wrong_answer(questions.rng, problem)
            rows.append(
                {
                    "id": first_id + len(rows),
                    "prompt": problem.instruction,
                    "chosen": problem.answer,
                    "chosen_model": "right-answer",
                    "rejected": rejected,
                    "rejected_model": rejected_by,
                    "subset": task,
                }
            )
    return rows


def _wrong_answer(rng: random.Random, problem: domain.Problem) -> tuple[str, str]:
    if rng.random() < NEAR_MISSES:
        return domain.sample_near_miss(rng, problem).answer, "near-miss"
    while True:
        answer = domain.sample_problem(rng).answer
        if answer != problem.answer:
            return answer, "unrelated-answer"


def pool(questions: Questions) -> list[dict[str, object]]:
    tasks = list(domain.TASKS)
    instructions = [questions.draw(tasks[index % len(tasks)]).instruction for index in range(POOL_SIZE - CHAT_IN_POOL)]
    chat: set[str] = set()
    while len(chat) < CHAT_IN_POOL:
        chat.add(domain.sample_chat(questions.rng)[0])
    instructions += sorted(chat)
    questions.rng.shuffle(instructions)
    return [{"instruction": instruction} for instruction in instructions]


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{path.relative_to(FOLDER)}: {len(rows)} rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    questions = Questions(random.Random(parser.parse_args().seed))
    test = benchmark(questions, TEST_PAIRS_PER_TASK, first_id=0)
    validation = benchmark(questions, VALIDATION_PAIRS_PER_TASK, first_id=len(test))
    write(FOLDER / "benchmark" / "test.jsonl", test)
    write(FOLDER / "benchmark" / "validation.jsonl", validation)
    write(FOLDER / "instructions.jsonl", pool(questions))


if __name__ == "__main__":
    main()
