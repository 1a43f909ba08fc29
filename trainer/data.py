"""The training set: turns rows of messages into examples. Only the tokens that the judge writes carry loss.

Rows of SFT are {id, prompt, completion}, rows of DPO {id, prompt, chosen, rejected}, rows of GRPO {id, prompt, pair, order,
betterSide, task}: its judgments are sampled during the training.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass

from trainer.conversations import TemplateRefuses, converse, encode, problem_of, refusal_problem, tokenizer_problem
from trainer.errors import ConfigurationError, DataError

FIELDS = {'sft': ('prompt', 'completion'), 'dpo': ('prompt', 'chosen', 'rejected'), 'grpo': ('prompt',)}
COLUMNS = {  # of GRPO, with their values
    'pair': None,
    'order': ('better-first', 'worse-first'),
    'betterSide': ('A', 'B'),
    'task': ('pairwise', 'pairwise-scores', 'pointwise'),
}
IGNORED = -100  # the label of tokens without loss (PyTorch's cross entropy)


@dataclass
class TrainingSet:
    examples: list  # SFT: [{input_ids, labels}], DPO: [{prompt, chosen, rejected}] of messages, GRPO: rows
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
            row, problem = parse_row(line, method)
            if problem is None and row['id'] in first_line:
                problem = f'the id {row["id"]!r} is in line {first_line[row["id"]]} too'
            if problem:
                raise DataError(f'{path}, line {number}: {problem}')
            first_line[row['id']] = number
            rows.append(row)
    if not rows:
        raise DataError(f'{path}: the file has no rows')
    return rows


def parse_row(line, method):
    """`(row, None)`, or `(None, problem)`."""
    try:
        row = json.loads(line)
    except ValueError as error:
        return None, f'not JSON ({error})'
    if not isinstance(row, dict) or not isinstance(row.get('id'), str):
        return None, 'no "id" (a text)'
    for field in FIELDS[method]:
        messages = row.get(field)
        if not isinstance(messages, list) or not messages or not all(map(is_message, messages)):
            return None, f'"{field}" is not a list of messages {{role, content}}'
    for column, allowed in COLUMNS.items() if method == 'grpo' else ():
        if not isinstance(row.get(column), str) or (allowed and row[column] not in allowed):
            return None, f'"{column}" is not {" or ".join(allowed) if allowed else "a text"}'
    return row, None


def is_message(value):
    return isinstance(value, dict) and isinstance(value.get('role'), str) and isinstance(value.get('content'), str)


def shuffled(rows, seed):
    """The rows in an order that depends on the seed and their ids only, not on their order in the file. Those of a pair
    follow each other if they name it."""

    def key(row):
        return hashlib.sha256(f'{seed}:{row.get("pair", row["id"])}'.encode()).digest(), row.get('order', '')

    return sorted(rows, key=key)


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
    make_example = {'sft': sft_example, 'dpo': dpo_example, 'grpo': grpo_example}[job.method]
    examples = []
    for row in shuffled(rows, job.seed):
        answers = [row[field] for field in FIELDS[job.method][1:]] or [verdict_alone(row)]
        conversations = [conversation_of(row, answer, tokenizer, job, embedding_rows) for answer in answers]
        examples.append((make_example(row, conversations), length_of(row, conversations, tokenizer, job)))
    kept = [example for example, length in examples if length <= max_length]
    if job.method == 'grpo':
        orders = Counter(example['pair'] for example in kept)
        kept = [example for example in kept if orders[example['pair']] == len(COLUMNS['order'])]
    if not kept:
        shortest = min(length for _, length in examples)
        raise DataError(f'{job.data}: every row is longer than maxLength {max_length}; the shortest has {shortest}')
    return TrainingSet(kept, len(examples) - len(kept))


def verdict_alone(row):
    """The shortest judgment: GRPO's rows have none, and what their prompts lose shows with any."""
    content = {'pointwise': '[[5]]', 'pairwise-scores': '[[A: 5]] [[B: 4]]'}.get(row['task'], f'[[{row["betterSide"]}]]')
    return [{'role': 'assistant', 'content': content}]


def length_of(row, conversations, tokenizer, job):
    """The most tokens of a row's conversation."""
    if job.method == 'grpo':
        prompt, _ = encode(tokenizer, row['prompt'], add_generation_prompt=True)
        return len(prompt) + job.hyperparameters.maxCompletionLength
    return max(len(conversation.ids) for conversation in conversations)


def conversation_of(row, answer, tokenizer, job, embedding_rows):
    """The rendered prompt and answer of a row. Raises ConfigurationError if something of it gets lost."""
    try:
        conversation = converse(row['prompt'], answer, tokenizer)
        problem = problem_of(conversation, tokenizer, embedding_rows)
    except TemplateRefuses as refusal:
        problem = refusal_problem(row['prompt'], answer, tokenizer, refusal)
    if problem:
        where = f'the row {row["id"]} of {job.data}'
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}, with {where}: {problem}')
    return conversation


def sft_example(_row, conversations):
    return with_labels(*conversations)


def dpo_example(row, _conversations):
    """An example of messages: TRL tokenizes them in the same way as `tokenize` (the test of the loss compares both)."""
    return {field: row[field] for field in FIELDS['dpo']}


def grpo_example(row, _conversations):
    """An example of messages, with the columns that rewards read."""
    return {field: row[field] for field in (*FIELDS['grpo'], *COLUMNS)}
