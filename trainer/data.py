"""The training set: turns rows of messages into examples. Only the tokens that the judge writes carry loss.

Rows of SFT are {id, prompt, completion}, rows of DPO {id, prompt, chosen, rejected}, rows of GRPO {id, prompt, item, order,
label, task}: its judgments are sampled during the training. The item is a pair, which has a row in each order, or a labelled
record of another task.
"""

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass

from trainer.conversations import TemplateRefuses, converse, encode, problem_of, refusal_problem, tokenizer_problem
from trainer.errors import ConfigurationError, DataError
from trainer.rewards import COUNTERPART, PAIR_TASKS

FIELDS = {'sft': ('prompt', 'completion'), 'dpo': ('prompt', 'chosen', 'rejected'), 'grpo': ('prompt',)}
COLUMNS = ('item', 'order', 'label', 'task')  # of GRPO
LABELS = {  # of its tasks
    **dict.fromkeys(PAIR_TASKS, '[AB]'),
    'score': r'[0-9]+(\.[0-9]+)?',
    'rank': '[A-Z]',
    'verify': 'correct|incorrect',
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
    problem = column_problem(row) if method == 'grpo' else None
    return (None, problem) if problem else (row, None)


def column_problem(row):
    """Describes what is wrong with the columns of a row of GRPO; None if nothing is."""
    for column in COLUMNS:
        if not isinstance(row.get(column), str):
            return f'"{column}" is not a text'
    task, label, order = row['task'], row['label'], row['order']
    if task not in LABELS:
        return f'"task" is not {", ".join(LABELS)}'
    if not re.fullmatch(LABELS[task], label):
        return f'"label" is {label!r}, which is none of the task {task} ({LABELS[task]})'
    if task in PAIR_TASKS and order not in COUNTERPART:
        return f'"order" is not {" or ".join(COUNTERPART)}'
    return None


def is_message(value):
    return isinstance(value, dict) and isinstance(value.get('role'), str) and isinstance(value.get('content'), str)


def shuffled(rows, seed):
    """The rows in an order that depends on the seed and their ids only, not on their order in the file. Those of an item
    follow each other if they name it."""

    def key(row):
        return hashlib.sha256(f'{seed}:{row.get("item", row["id"])}'.encode()).digest(), row.get('order', '')

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
        rows_of = Counter(example['item'] for example in kept)
        kept = in_twos([each for each in kept if each['task'] not in PAIR_TASKS or rows_of[each['item']] == len(COUNTERPART)])
    if not kept:
        shortest = min(length for _, length in examples)
        raise DataError(f'{job.data}: every row is longer than maxLength {max_length}; the shortest has {shortest}')
    return TrainingSet(kept, len(examples) - len(kept))


def in_twos(examples):
    """Puts two rows of records beside each other, so that each pair begins at an even place: a generation batch, which is a
    multiple of two rows if orders are compared, then has both orders of its pairs. An odd row is the last one."""
    ordered, waiting = [], []
    for example in examples:
        if example['task'] in PAIR_TASKS:
            ordered.append(example)
            continue
        waiting.append(example)
        if len(waiting) == 2:
            ordered += waiting
            waiting = []
    return ordered + waiting


def verdict_alone(row):
    """The shortest judgment: GRPO's rows have none, and what their prompts lose shows with any."""
    content = {'pointwise': '[[5]]', 'pairwise-scores': '[[A: 5]] [[B: 4]]'}.get(row['task'], f'[[{row["label"]}]]')
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
