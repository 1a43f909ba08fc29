"""The training set: turns rows of messages into examples. Only the tokens that the judge writes carry loss.

Rows of SFT are {id, prompt, completion}, rows of DPO {id, prompt, chosen, rejected}.
"""

import hashlib
import json
from dataclasses import dataclass

from trainer.errors import ConfigurationError, DataError

FIELDS = {'sft': ('prompt', 'completion'), 'dpo': ('prompt', 'chosen', 'rejected')}
IGNORED = -100  # the label of tokens without loss (PyTorch's cross entropy)


@dataclass
class TrainingSet:
    examples: list  # SFT: [{input_ids, labels}], DPO: [{prompt, chosen, rejected}] of messages
    dropped_too_long: int


def read_rows(path, method):
    """The rows of a JSONL file for a method. Raises DataError that names the first unusable line."""
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
                problem = f'the id {row["id"]!r} is in line {first_line[row["id"]]} too'
            if problem:
                raise DataError(f'{path}, line {number}: {problem}')
            first_line[row['id']] = number
            rows.append(row)
    if not rows:
        raise DataError(f'{path}: the file has no rows')
    return rows


def parse_row(line, fields):
    """`(row, None)`, or `(None, problem)`."""
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


def shuffled(rows, seed):
    """The rows in an order that depends on the seed and their ids only, not on their order in the file."""
    return sorted(rows, key=lambda row: hashlib.sha256(f'{seed}:{row["id"]}'.encode()).digest())


def tokenize(row, tokenizer):
    """Token ids of prompt and completion, and labels that ignore the prompt.

    The completion begins at the first token in which the full conversation differs from the prompt as it is served
    (with the generation prompt). With some chat templates that is a few tokens before the end of the prompt.
    """
    prompt = token_ids(tokenizer, row['prompt'], add_generation_prompt=True)
    conversation = token_ids(tokenizer, row['prompt'] + row['completion'])
    shortest = min(len(prompt), len(conversation))
    shared = next((i for i, (a, b) in enumerate(zip(prompt, conversation)) if a != b), shortest)
    return {'input_ids': conversation, 'labels': [IGNORED] * shared + conversation[shared:]}


def token_ids(tokenizer, messages, **options):
    return tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)['input_ids']


def build_training_set(rows, tokenizer, job):
    """Shuffles the rows, makes examples of them and drops those longer than maxLength. A long example is not
    truncated, because its end is the verdict. Raises DataError if no example is left."""
    if not tokenizer.chat_template:
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}: its tokenizer has no chat template')
    max_length = job.hyperparameters.maxLength
    make_example = {'sft': sft_example, 'dpo': dpo_example}[job.method]
    examples = [make_example(row, tokenizer) for row in shuffled(rows, job.seed)]
    kept = [example for example, length in examples if length <= max_length]
    if not kept:
        shortest = min(length for _, length in examples)
        raise DataError(f'{job.data}: every row is longer than maxLength {max_length}; the shortest has {shortest}')
    return TrainingSet(kept, len(examples) - len(kept))


def sft_example(row, tokenizer):
    """`(example, its length in tokens)`."""
    example = tokenize(row, tokenizer)
    return example, len(example['input_ids'])


def dpo_example(row, tokenizer):
    """`(example, length in tokens of the prompt with the longer completion)`. The example has messages: TRL tokenizes
    them in the same way as `tokenize` (the test of the loss compares both)."""
    example = {field: row[field] for field in FIELDS['dpo']}
    return example, max(len(token_ids(tokenizer, row['prompt'] + row[side])) for side in ('chosen', 'rejected'))
