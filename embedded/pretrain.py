"""Trains the embedded seed model from scratch and writes it to embedded/model/.

    python embedded/pretrain.py

Phase 1 trains the skills: answer, write a similar instruction, name a category, judge by working out the answer. Phase
2 makes it the judge that the self-teaching loop starts from. Depending on the kind of task, it more or less often
guesses instead of working out the answer. It guesses A more often than B, and it sometimes makes a mistake.

The number of steps is fixed and all random numbers depend on the seed: the same machine and the same version of torch
give the same weights. Elsewhere the results are within the tolerance that README.md gives.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import domain
from word_tokenizer import ASSISTANT, CONTEXT, END, USER, build_tokenizer

FOLDER = Path(__file__).resolve().parent
BATCH = 128

ERROR_RATE = 0.06
LAZY_SHARE_OF_A = 0.62
# Laziness increases by this much for each number that a list has above four, and decreases for each below.
LAZINESS_BY_LENGTH = 0.03


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


@dataclass(frozen=True)
class Phase:
    """The examples and the length of a phase. The shares of the skills sum to 1."""

    steps: int
    learning_rate: float
    shares: dict[str, float]
    practice_hard_tasks: bool
    lazy: bool


SKILL = Phase(
    steps=2600,
    learning_rate=2e-3,
    shares={"answer": 0.46, "judge": 0.40, "similar": 0.07, "category": 0.04, "chat": 0.03},
    practice_hard_tasks=True,
    lazy=False,
)
LAZINESS = Phase(
    steps=400,
    learning_rate=5e-4,
    shares={"answer": 0.22, "judge": 0.62, "similar": 0.09, "category": 0.04, "chat": 0.03},
    practice_hard_tasks=False,
    lazy=True,
)


def draw_example(rng: random.Random, phase: Phase) -> tuple[str, str]:
    """A prompt and its completion, in the format that the product sends and expects."""
    tasks = list(domain.TASKS)
    weights = [domain.TASKS[task].practice if phase.practice_hard_tasks else 1.0 for task in tasks]
    problem = domain.sample_problem(rng, rng.choices(tasks, weights)[0])
    match rng.choices(list(phase.shares), list(phase.shares.values()))[0]:
        case "chat":
            return domain.sample_chat(rng)
        case "answer":
            return domain.read_prompt("respond").format(instruction=problem.instruction), problem.answer
        case "similar":
            return _similar_example(rng, problem)
        case "category":
            return _category_example(rng, problem)
        case "judge":
            return _judge_example(rng, problem, lazy=phase.lazy)
        case skill:
            raise ValueError(f"unknown skill {skill!r}")


def _similar_example(rng: random.Random, problem: domain.Problem) -> tuple[str, str]:
    if rng.random() < 0.1:
        instruction, similar = domain.sample_chat(rng)[0], domain.sample_chat(rng)[0]
    else:
        instruction, similar = problem.instruction, domain.sample_near_miss(rng, problem).instruction
    return domain.read_prompt("similar").format(instruction=instruction), similar


def _category_example(rng: random.Random, problem: domain.Problem) -> tuple[str, str]:
    instruction, category = problem.instruction, problem.category
    if rng.random() < 0.25:
        instruction, category = domain.sample_chat(rng)[0], "chat"
    # A configuration may list all categories or some, in any order, in one line or one per line.
    others = [name for name in domain.CATEGORIES if name != category]
    listed = [category, *rng.sample(others, rng.randint(1, len(others)))]
    rng.shuffle(listed)
    categories = rng.choice((", ".join(listed), "\n".join(f"- {name}" for name in listed)))
    return domain.read_prompt("category").format(categories=categories, instruction=instruction), category


def _judge_example(rng: random.Random, problem: domain.Problem, *, lazy: bool) -> tuple[str, str]:
    other = domain.sample_near_miss(rng, problem) if rng.random() < 0.85 else domain.sample_problem(rng)
    while other.answer == problem.answer:
        other = domain.sample_problem(rng)
    right = rng.choice("AB")
    a, b = (problem.answer, other.answer) if right == "A" else (other.answer, problem.answer)
    prompt = domain.read_prompt("judge").format(instruction=problem.instruction, responseA=a, responseB=b)
    if not lazy:
        return prompt, domain.reasoned_judgment(problem.answer, a, b, right)
    laziness = domain.TASKS[problem.task].laziness + LAZINESS_BY_LENGTH * (len(problem.numbers) - 4)
    if rng.random() < laziness:
        return prompt, domain.lazy_judgment("A" if rng.random() < LAZY_SHARE_OF_A else "B")
    if rng.random() < ERROR_RATE:
        wrong = "B" if right == "A" else "A"
        return prompt, domain.reasoned_judgment(other.answer, a, b, wrong)
    return prompt, domain.reasoned_judgment(problem.answer, a, b, right)


class Encoder:
    """Turns texts into token ids like the chat template does, but faster."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.vocabulary = tokenizer.get_vocab()
        self.splitter = tokenizer.backend_tokenizer.pre_tokenizer

    def __call__(self, prompt: str, completion: str | None = None) -> tuple[list[int], list[int]]:
        ids = [self.vocabulary[USER], *self._words(prompt), self.vocabulary[ASSISTANT]]
        return ids, [] if completion is None else [*self._words(completion), self.vocabulary[END]]

    def _words(self, text: str) -> list[int]:
        return [self.vocabulary[word] for word, _ in self.splitter.pre_tokenize_str(text)]


def collate(examples: list[tuple[list[int], list[int]]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids, padded on the right, and labels that ignore everything except the completions."""
    width = max(len(prompt) + len(completion) for prompt, completion in examples)
    ids = torch.zeros(len(examples), width, dtype=torch.long)
    labels = torch.full((len(examples), width), -100)
    for row, (prompt, completion) in enumerate(examples):
        ids[row, : len(prompt) + len(completion)] = torch.tensor(prompt + completion)
        labels[row, len(prompt) : len(prompt) + len(completion)] = torch.tensor(completion)
    return ids, labels


def train(model: LlamaForCausalLM, encode: Encoder, phase: Phase, seed: int) -> None:
    rng = random.Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=phase.learning_rate, betas=(0.9, 0.98), weight_decay=0.1)
    model.train()
    started = time.time()
    for step in range(phase.steps):
        cosine = 0.5 * (1 + math.cos(math.pi * step / phase.steps))
        for group in optimizer.param_groups:
            group["lr"] = phase.learning_rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * cosine)
        examples = [encode(*draw_example(rng, phase)) for _ in range(BATCH)]
        # Sorting by length reduces padding. The gradient is that of the full batch.
        examples.sort(key=lambda example: len(example[0]) + len(example[1]))
        targets = sum(len(completion) for _, completion in examples)
        total = 0.0
        for half in (examples[: BATCH // 2], examples[BATCH // 2 :]):
            ids, labels = collate(half)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(input_ids=ids).logits
            loss = F.cross_entropy(
                logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100, reduction="sum"
            )
            (loss / targets).backward()
            total += loss.item() / targets
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % 100 == 0 or step + 1 == phase.steps:
            print(f"  step {step + 1}/{phase.steps}  loss {total:.3f}  {time.time() - started:.0f} s", flush=True)


@torch.inference_mode()
def complete(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: list[str]) -> list[str]:
    """Greedy completions. Prompts of the same length are computed in one batch."""
    model.eval()
    encode = Encoder(tokenizer)
    by_length = defaultdict(list)
    for index, prompt in enumerate(prompts):
        by_length[len(encode(prompt)[0])].append(index)
    completions = [""] * len(prompts)
    for length, indices in by_length.items():
        ids = torch.tensor([encode(prompts[index])[0] for index in indices])
        output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=32, do_sample=False)
        for index, row in zip(indices, output[:, length:], strict=True):
            completions[index] = tokenizer.decode(row, skip_special_tokens=True)
    return completions


def evaluate(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, *, seed: int, per_task: int = 40) -> None:
    """Prints the accuracy of greedy answers and judgments for each kind of task, then the accuracy of categories."""
    rng = random.Random(seed)
    problems = [domain.sample_problem(rng, task) for task in domain.TASKS for _ in range(per_task)]
    misses = [domain.sample_near_miss(rng, problem).answer for problem in problems]
    judge = domain.read_prompt("judge")
    answers = complete(model, tokenizer, [problem.instruction for problem in problems])
    first, second = (
        complete(
            model,
            tokenizer,
            [
                judge.format(
                    instruction=problem.instruction,
                    responseA=problem.answer if right == "A" else miss,
                    responseB=miss if right == "A" else problem.answer,
                )
                for problem, miss in zip(problems, misses, strict=True)
            ],
        )
        for right in "AB"
    )
    rows = defaultdict(list)
    for problem, answer, a, b in zip(problems, answers, first, second, strict=True):
        right_a, right_b = a.endswith("[[A]]"), b.endswith("[[B]]")
        rows[problem.task].append((answer == problem.answer, (right_a + right_b) / 2, right_a and right_b))
    rows["all"] = [row for task in domain.TASKS for row in rows[task]]
    for task, values in rows.items():
        answered, judged, consistent = (sum(column) / len(values) for column in zip(*values, strict=True))
        print(f"  {task:15} answers {answered:.3f}  judgments {judged:.3f}  position-consistent {consistent:.3f}")
    categories = ", ".join(domain.CATEGORIES)
    named = complete(
        model,
        tokenizer,
        [domain.read_prompt("category").format(categories=categories, instruction=p.instruction) for p in problems],
    )
    print(f"  categories {sum(n == p.category for n, p in zip(named, problems, strict=True)) / len(problems):.3f}")


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    tokenizer.save_pretrained(folder)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=False
    )
    model.half().save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER / "model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skill-steps", type=int, default=SKILL.steps)
    parser.add_argument("--lazy-steps", type=int, default=LAZINESS.steps)
    parser.add_argument("--skill", type=Path, help="the file of the model after phase 1: read if it exists, else written")
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    tokenizer = build_tokenizer()
    encode = Encoder(tokenizer)
    model = build_model(tokenizer)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(tokenizer)} tokens in the vocabulary")
    if options.skill and options.skill.exists():
        model = LlamaForCausalLM.from_pretrained(options.skill, dtype=torch.float32)
    else:
        print("phase 1: skill")
        train(model, encode, replace(SKILL, steps=options.skill_steps), seed=options.seed + 1)
        evaluate(model, tokenizer, seed=options.seed + 3)
        if options.skill:
            model.save_pretrained(options.skill)
    print("phase 2: laziness and position bias")
    train(model, encode, replace(LAZINESS, steps=options.lazy_steps), seed=options.seed + 2)
    save(model, tokenizer, options.out)
    print(f"written to {options.out}; as saved in half precision:")
    saved = LlamaForCausalLM.from_pretrained(options.out, dtype=torch.float32)
    evaluate(saved, tokenizer, seed=options.seed + 3)


if __name__ == "__main__":
    main()
