"""Writes the pairs of this folder, about the domain of the embedded model, in each row format.

    python examples/own-data/make_pairs.py

pairs/          the pairs that a run is trained on, one file for each row format; no pair is in two files
benchmark/      the pairs that a judge is tested on, in two row formats

No question of the files of the embedded example is among them.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet

FOLDER = Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent.parent / "embedded"))

import domain  # noqa: E402

PAIRS_PER_TASK_AND_FILE = 5
BENCHMARK_PAIRS_PER_TASK_AND_FILE = 3

Row = dict[str, object]


def questions_of_the_embedded_example() -> set[str]:
    embedded = FOLDER.parent.parent / "embedded"
    files = [embedded / "instructions.jsonl", *sorted((embedded / "benchmark").glob("*.jsonl"))]
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return {row.get("instruction") or row["prompt"] for row in rows}


class PairSampler:
    """Samples questions with a correct and a wrong answer, without repetition."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._used = questions_of_the_embedded_example()

    def sample(self, per_task: int) -> list[tuple[str, str, str, str]]:
        """Returns (task, question, correct answer, wrong answer), `per_task` of each task."""
        samples = []
        for task in domain.TASKS:
            for _ in range(per_task):
                problem = self._fresh(task)
                wrong = domain.sample_near_miss(self.rng, problem).answer
                samples.append((task, problem.instruction, problem.answer, wrong))
        return samples

    def _fresh(self, task: str) -> domain.Problem:
        while True:
            problem = domain.sample_problem(self.rng, task)
            if problem.instruction not in self._used:
                self._used.add(problem.instruction)
                return problem


def user(text: str) -> Row:
    return {"role": "user", "content": text}


def assistant(text: str) -> Row:
    return {"role": "assistant", "content": text}


def write_lines(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    rng = random.Random(9)
    pairs = PairSampler(rng)
    drawn = lambda: pairs.sample(PAIRS_PER_TASK_AND_FILE)  # noqa: E731

    write_lines(
        FOLDER / "pairs" / "plain.jsonl",
        [{"prompt": q, "chosen": good, "rejected": bad, "subset": task} for task, q, good, bad in drawn()],
    )
    write_lines(
        FOLDER / "pairs" / "trl-explicit-prompt.jsonl",
        [
            {"prompt": [user(q)], "chosen": [assistant(good)], "rejected": [assistant(bad)], "subset": task}
            for task, q, good, bad in drawn()
        ],
    )
    implicit = [
        {"chosen": [user(q), assistant(good)], "rejected": [user(q), assistant(bad)], "subset": task}
        for task, q, good, bad in drawn()
    ]
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(implicit), FOLDER / "pairs" / "trl-implicit-prompt.parquet", compression="zstd"
    )
    write_lines(
        FOLDER / "pairs" / "better-worse.jsonl",
        [{"instruction": q, "better": good, "worse": bad, "subset": task} for task, q, good, bad in drawn()],
    )
    sides = []
    for task, q, good, bad in drawn():
        side = rng.choice("AB")
        a, b = (good, bad) if side == "A" else (bad, good)
        sides.append({"instruction": q, "responseA": a, "responseB": b, "betterSide": side, "subset": task})
    write_lines(FOLDER / "pairs" / "response-a-b.jsonl", sides)

    tested = lambda: pairs.sample(BENCHMARK_PAIRS_PER_TASK_AND_FILE)  # noqa: E731
    write_lines(
        FOLDER / "benchmark" / "plain.jsonl",
        [{"prompt": q, "chosen": good, "rejected": bad, "subset": task} for task, q, good, bad in tested()],
    )
    write_lines(
        FOLDER / "benchmark" / "messages.jsonl",
        [
            {"prompt": [user(q)], "chosen": [assistant(good)], "rejected": [assistant(bad)], "subset": task}
            for task, q, good, bad in tested()
        ],
    )


if __name__ == "__main__":
    main()
