"""Writes benchmark/validation.jsonl and benchmark/test.jsonl from facts.py: pairs with the columns of RewardBench.

    python make_benchmark.py

The same seed gives the same files. Validation set and test set ask about different things (countries, words, animals, ...). The
five subsets go from easy to hard: the rejected answer is off-topic, answers a similar instruction, names a wrong fact, breaks a
constraint of the instruction, or has a wrong result.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from facts import RELATIONS, Relation

FOLDER = Path(__file__).resolve().parent / "benchmark"
SIZES = {"validation": 20, "test": 50}
"""The number of pairs in each subset."""
Pair = tuple[str, str, str]


class PairMaker:
    """Makes pairs (prompt, chosen, rejected) about the things of one part, validation or test."""

    def __init__(self, rng: random.Random, part: str) -> None:
        self._rng = rng
        self._facts = {relation.name: _facts_of(relation, part) for relation in RELATIONS}

    def off_topic(self) -> Pair:
        relation, other = self._rng.sample(RELATIONS, 2)
        thing = self._thing(relation)
        return *self._question_and_answer(relation, thing), self._sentence(other, self._thing(other, thing))

    def similar_instruction(self) -> Pair:
        relation = self._rng.choice(RELATIONS)
        thing = self._thing(relation)
        return *self._question_and_answer(relation, thing), self._sentence(relation, self._thing(relation, thing))

    def wrong_fact(self) -> Pair:
        relation = self._rng.choice(RELATIONS)
        thing = self._thing(relation)
        wrong = self._facts[relation.name][self._thing(relation, thing)]
        return *self._question_and_answer(relation, thing), relation.sentence.format(thing=thing, answer=wrong)

    def broken_format(self) -> Pair:
        relation = self._rng.choice(RELATIONS)
        thing = self._thing(relation)
        question, sentence = self._question_and_answer(relation, thing)
        answer = self._facts[relation.name][thing]
        constraint, right = self._rng.choice(
            [
                ("Answer in capital letters.", sentence.upper()),
                ("Begin your answer with the word Sure.", f"Sure. {sentence}"),
                ("Put your answer in round brackets.", f"({sentence})"),
                ("End your answer with three exclamation marks.", f"{sentence[:-1]}!!!"),
                ("Do not write a whole sentence.", answer),
            ]
        )
        return f"{question} {constraint}", right, sentence

    def arithmetic(self) -> Pair:
        left, right = self._rng.randint(2, 40), self._rng.randint(2, 40)
        word, result = self._rng.choice([("plus", left + right), ("minus", left - right), ("times", left * right)])
        wrong = result + self._rng.choice([-10, -2, -1, 1, 2, 10])
        return f"How much is {left} {word} {right}?", *(f"{left} {word} {right} is {n}." for n in (result, wrong))

    def _thing(self, relation: Relation, but: str | None = None) -> str:
        """A random thing whose answer is not the answer of `but`."""
        facts = self._facts[relation.name]
        return self._rng.choice([thing for thing in facts if facts[thing] != facts.get(but or "")])

    def _question_and_answer(self, relation: Relation, thing: str) -> tuple[str, str]:
        return relation.question.format(thing=thing), self._sentence(relation, thing)

    def _sentence(self, relation: Relation, thing: str) -> str:
        return relation.sentence.format(thing=thing, answer=self._facts[relation.name][thing])


def _facts_of(relation: Relation, part: str) -> dict[str, str]:
    """The facts of one part: every third one belongs to the validation set, the others to the test set."""
    return {
        thing: answer
        for index, (thing, answer) in enumerate(relation.facts.items())
        if (index % 3 == 0) == (part == "validation")
    }


def benchmark(part: str, seed: int) -> list[dict[str, object]]:
    maker = PairMaker(random.Random(f"{seed} {part}"), part)
    subsets = {
        "off-topic": maker.off_topic,
        "similar-instruction": maker.similar_instruction,
        "wrong-fact": maker.wrong_fact,
        "broken-format": maker.broken_format,
        "arithmetic": maker.arithmetic,
    }
    rows = []
    for subset, make in subsets.items():
        pairs: set[Pair] = set()
        while len(pairs) < SIZES[part]:
            pair = make()
            if pair in pairs:
                continue
            pairs.add(pair)
            prompt, chosen, rejected = pair
            rows.append(
                {
                    "prompt": prompt,
                    "chosen": chosen,
                    "chosen_model": "template",
                    "rejected": rejected,
                    "rejected_model": "template",
                    "subset": subset,
                    "id": len(rows),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for part in SIZES:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in benchmark(part, options.seed)]
        (FOLDER / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
