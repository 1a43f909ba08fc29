"""The training set: rows {id, prompt, completion} become token ids, with the loss on the completion alone."""

import hashlib
import json
from dataclasses import dataclass

from trainer.errors import ConfigurationError, DataError

IGNORED = -100  # a label that carries no loss (PyTorch's cross entropy)


@dataclass
class TrainingSet:
    examples: list  # [{input_ids, labels}]
    dropped_too_long: int


def read_rows(path):
    """The rows of a JSONL file. Raises DataError naming the first line that can't be used."""
    rows, first_line = [], {}
    try:
        file = open(path, encoding='utf-8')
    except OSError as error:
        raise DataError(f'{path}: {error.strerror}') from None
    with file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row, problem = parse_row(line)
            if problem is None and row['id'] in first_line:
                problem = f'the id {row["id"]!r} stands in line {first_line[row["id"]]} too'
            if problem:
                raise DataError(f'{path}, line {number}: {problem}')
            first_line[row['id']] = number
            rows.append(row)
    if not rows:
        raise DataError(f'{path}: holds no rows')
    return rows


def parse_row(line):
    """`(row, None)`, or `(None, what is wrong)`."""
    try:
        row = json.loads(line)
    except ValueError as error:
        return None, f'not JSON ({error})'
    if not isinstance(row, dict) or not isinstance(row.get('id'), str):
        return None, 'no "id" (a text)'
    for field in ('prompt', 'completion'):
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
    """Orders and tokenizes. An example that is too long is left out whole: cut, it would lose its end, which is the
    verdict. Raises DataError where nothing is left."""
    if not tokenizer.chat_template:
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}: its tokenizer has no chat template')
    maximum = job.hyperparameters.maximumLength
    examples = [tokenize(row, tokenizer) for row in in_order(rows, job.seed)]
    kept = [example for example in examples if len(example['input_ids']) <= maximum]
    if not kept:
        shortest = min(len(example['input_ids']) for example in examples)
        raise DataError(f'{job.data}: every row is longer than maximumLength {maximum}; the shortest has {shortest}')
    return TrainingSet(kept, len(examples) - len(kept))
