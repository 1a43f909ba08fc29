"""The training set: turns rows of messages into examples. Only the tokens that the judge writes carry loss.

Rows of SFT are {id, prompt, completion}, rows of DPO {id, prompt, chosen, rejected}.
"""

import hashlib
import json
from dataclasses import dataclass

from trainer.conversations import TemplateRefuses, converse, problem_of, refusal_problem, tokenizer_problem
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
    """Token ids of prompt and completion, and labels that ignore the prompt."""
    return with_labels(converse(row['prompt'], row['completion'], tokenizer))


def with_labels(conversation):
    ids, begin = conversation.ids, conversation.begin
    return {'input_ids': ids, 'labels': [IGNORED] * begin + ids[begin:]}


def build_training_set(rows, tokenizer, job, embedding_rows=None):
    """Shuffles the rows, makes examples of them and drops those longer than maxLength. A long example is not
    truncated, because its end is the verdict. Raises ConfigurationError if the model would not see a prompt whole or not
    learn exactly its answer, DataError if no example is left."""
    problem = tokenizer_problem(tokenizer, embedding_rows)
    if problem:
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}: {problem}')
    max_length = job.hyperparameters.maxLength
    make_example = {'sft': sft_example, 'dpo': dpo_example}[job.method]
    examples = []
    for row in shuffled(rows, job.seed):
        conversations = [conversation_of(row, field, tokenizer, job, embedding_rows) for field in FIELDS[job.method][1:]]
        length = max(len(conversation.ids) for conversation in conversations)
        examples.append((make_example(row, conversations), length))
    kept = [example for example, length in examples if length <= max_length]
    if not kept:
        shortest = min(length for _, length in examples)
        raise DataError(f'{job.data}: every row is longer than maxLength {max_length}; the shortest has {shortest}')
    return TrainingSet(kept, len(examples) - len(kept))


def conversation_of(row, field, tokenizer, job, embedding_rows):
    """The rendered prompt and answer of a row. Raises ConfigurationError if something of it gets lost."""
    try:
        conversation = converse(row['prompt'], row[field], tokenizer)
        problem = problem_of(conversation, tokenizer, embedding_rows)
    except TemplateRefuses as refusal:
        problem = refusal_problem(row['prompt'], row[field], tokenizer, refusal)
    if problem:
        where = f'the row {row["id"]} of {job.data}'
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}, with {where}: {problem}')
    return conversation


def sft_example(_row, conversations):
    return with_labels(*conversations)


def dpo_example(row, _conversations):
    """An example of messages: TRL tokenizes them in the same way as `tokenize` (the test of the loss compares both)."""
    return {field: row[field] for field in FIELDS['dpo']}
