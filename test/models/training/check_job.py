"""Prints, as JSON, what the trainer says of job files, or which fields of a job its code reads.

    python check_job.py problems JOB.json ...    the problems of each file
    python check_job.py fields                   {job, hyperparameters, adapter}: the names of the fields, sorted
"""

import ast
import json
import sys
from pathlib import Path

from trainer import job

TRAINER = Path(job.__file__).parent
# The expressions by which the trainer's code reads the parts of a job.
PARTS = {
    'job': 'job',
    'self.job': 'job',
    'p': 'hyperparameters',
    'job.hyperparameters': 'hyperparameters',
    'self.job.hyperparameters': 'hyperparameters',
    'lora': 'adapter',
    'job.lora': 'adapter',
}
NO_FIELDS = {'identity', 'lora', 'mirror', 'addresses', 'named'}


def fields():
    found = {part: set() for part in PARTS.values()}
    for file in TRAINER.glob('*.py'):
        parts = {**PARTS, 'self': 'job', 'self.adapter': 'adapter'} if file.name == 'job.py' else PARTS
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            part = parts.get(ast.unparse(node.value)) if isinstance(node, ast.Attribute) else None
            if part:
                found[part].add(node.attr)
    found['job'] -= NO_FIELDS
    return {part: sorted(names) for part, names in found.items()}


if __name__ == '__main__':
    command, *files = sys.argv[1:]
    problems = [job.job_problems(json.loads(Path(file).read_text(encoding='utf-8'))) for file in files]
    print(json.dumps(fields() if command == 'fields' else problems))
