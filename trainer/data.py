"""The training set: rows of messages become examples, with the loss on what the judge writes alone.

SFT has rows {id, prompt, completion}, DPO rows {id, prompt, chosen, rejected}.
"""

import hashlib
import json
from dataclasses import dataclass

from trainer.errors import ConfigurationError, DataError

FIELDS = {'sft': ('prompt', 'completion'), 'dpo': ('prompt', 'chosen', 'rejected')}
IGNORED = -100  # a label that carries no loss (PyTorch's cross entropy)


@dataclass
class TrainingSet:
    examples: list  # SFT: [{input_ids, labels}], DPO: [{prompt, chosen, rejected}] of messages
    dropped_too_long: int


def read_rows(path, method):
    """The rows of a JSONL file for a method. Raises DataError naming the first line that can't be used."""
    rows, first_line = [], {}
    try:
        file = open(path, encoding='utf-8')
    except OSError as error:
        raise DataError(f'{path}: {error.strerror}') from None
    with file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row, problem = parse_row(line, FIELDS[method])
            if problem is None and row['id'] in first_line:
                problem = f'the id {row["id"]!r} stands in line {first_line[row["id"]]} too'
            if problem:
                raise DataError(f'{path}, line {number}: {problem}')
            first_line[row['id']] = number
            rows.append(row)
    if not rows:
        raise DataError(f'{path}: holds no rows')
    return rows


def parse_row(line, fields):
    """`(row, None)`, or `(None, what is wrong)`."""
    try:
        row = json.loads(line)
    except ValueError as error:
        return None, f'not JSON ({error})'
    if not isinstance(row, dict) or not isinstance(row.get('id'), str):
        return None, 'no "id" (a text)'
    for field in fields:
        messages = row.get(field)
        if not isinstance(messages, list) or not messages or not all(map(is_message, messages)):
            return None, f'"{field}" is not a list of messages {{role, content}}'
    return row, None


def is_message(value):
    return isinstance(value, dict) and isinstance(value.get('role'), str) and isinstance(value.get('content'), str)


def in_order(rows, seed):
    """The rows in an order that follows from the seed and their ids, wherever they stood in the file."""
    return sorted(rows, key=lambda row: hashlib.sha256(f'{seed}:{row["id"]}'.encode()).digest())


def tokenize(row, tokenizer):
    """Token ids of prompt and completion, and labels that ignore the prompt.

    The completion begins where the prompt as it is served (with the generation prompt) and the whole conversation
    part: for some chat templates that is a few tokens before the prompt's end.
    """
    prompt = ids(tokenizer, row['prompt'], add_generation_prompt=True)
    whole = ids(tokenizer, row['prompt'] + row['completion'])
    shared = next((i for i, (a, b) in enumerate(zip(prompt, whole)) if a != b), min(len(prompt), len(whole)))
    return {'input_ids': whole, 'labels': [IGNORED] * shared + whole[shared:]}


def ids(tokenizer, messages, **options):
    return tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)['input_ids']


def build_training_set(rows, tokenizer, job):
    """Puts the rows in order and leaves an example that is too long out whole: cut, it would lose its end, which is
    the verdict. Raises DataError where nothing is left."""
    if not tokenizer.chat_template:
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}: its tokenizer has no chat template')
    maximum = job.hyperparameters.maximumLength
    make = {'sft': sft_example, 'dpo': dpo_example}[job.method]
    examples = [make(row, tokenizer) for row in in_order(rows, job.seed)]
    kept = [example for example, length in examples if length <= maximum]
    if not kept:
        shortest = min(length for _, length in examples)
        raise DataError(f'{job.data}: every row is longer than maximumLength {maximum}; the shortest has {shortest}')
    return TrainingSet(kept, len(examples) - len(kept))


def sft_example(row, tokenizer):
    """`(example, its length in tokens)`."""
    example = tokenize(row, tokenizer)
    return example, len(example['input_ids'])


def dpo_example(row, tokenizer):
    """`(example, the length of its longer completion with the prompt)`: messages, which TRL tokenizes as `tokenize`
    does (the test of the loss compares both)."""
    example = {field: row[field] for field in FIELDS['dpo']}
    return example, max(len(ids(tokenizer, row['prompt'] + row[side])) for side in ('chosen', 'rejected'))
