"""The job file: what to train, from which checkpoint, into which folder. Each of these may be the address of a bucket.

job.schema.json, which lies beside this file, declares the fields; it is generated (`npm run schemas`). This module
checks a job against it and adds no check and no field of its own.
"""

import functools
import hashlib
import json
import os
from types import SimpleNamespace

from trainer.errors import ConfigurationError
from trainer.files import is_address, read_json, sha256_of

SCHEMA_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'job.schema.json')


class Job(SimpleNamespace):
    """A checked job. Its attributes have the names of the fields in job.schema.json."""

    # Sends the output folder to a bucket (trainer/mirror.py). The first rank sets it if the folder's address says so.
    mirror = None
    # The job may leave it out: then only the model of the last step is written.
    candidateEverySteps = None
    # The marks around reasoning, for methods that sample judgments.
    reasoningMarks = ()
    # The addresses of the local copies that the paths above name, by path.
    addresses = {}

    @property
    def lora(self):
        """The adapter's settings; None if all weights are trained."""
        return self.adapter if self.adapter.kind == 'lora' else None

    def named(self, text):
        """A text with addresses in place of the paths of their local copies."""
        for path, address in self.addresses.items():
            text = text.replace(path, address)
        return text

    def identity(self):
        """Everything that the trained weights depend on. A checkpoint or a result belongs to this job only if it has
        the same identity."""
        return {
            'method': self.method,
            'seed': self.seed,
            'base': base_identity(self.baseCheckpoint),
            'data': sha256_of(self.data) if os.path.isfile(self.data) else None,
            'hyperparameters': without(self.hyperparameters, 'saveSteps', 'saveTotalLimit'),
            'adapter': without(self.adapter, 'saveAdapter'),
            **({'reasoningMarks': self.reasoningMarks} if self.reasoningMarks else {}),
        }


def without(fields, *names):
    return {name: value for name, value in vars(fields).items() if name not in names}


def base_identity(checkpoint):
    """Identifies a folder by its configuration and the sizes of its weights: not by its path, because the store may be
    moved, and not by the weights' content, because hashing a large model takes minutes. A model hub's name identifies
    itself."""
    if not os.path.isdir(checkpoint):
        return checkpoint
    sizes = sorted((f.name, f.stat().st_size) for f in os.scandir(checkpoint) if f.name.endswith('.safetensors'))
    configuration = os.path.join(checkpoint, 'config.json')
    described = [sha256_of(configuration) if os.path.isfile(configuration) else None, sizes]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


@functools.cache
def job_schema():
    return read_json(SCHEMA_FILE)


def tracker_names():
    return job_schema()['properties']['reportTo']['items']['enum']


def read_job(path):
    """Reads and checks a job file. Raises ConfigurationError that lists every wrong field."""
    path = path if is_address(path) else os.path.abspath(path)
    fields = read_json(path)
    if not isinstance(fields, dict):
        raise ConfigurationError(f'{path}: no such file, or not a JSON object')
    problems = job_problems(fields)
    if problems:
        raise ConfigurationError(f'{path}: ' + '; '.join(problems))
    return Job(**{name: SimpleNamespace(**v) if isinstance(v, dict) else v for name, v in fields.items()})


def job_problems(fields):
    """Every problem as `path: found ..., allowed: ...`."""
    # Imported here: if the package is missing, the caller reports an ImportError as a problem of the environment.
    from jsonschema import Draft7Validator

    errors = Draft7Validator(job_schema()).iter_errors(fields)
    return list(dict.fromkeys(problem for error in errors for problem in problems_in(error)))


def problems_in(error):
    path = [str(part) for part in error.absolute_path]
    found, schema = error.instance, error.schema
    if error.validator == 'required':
        allowed = {name: in_words(schema['properties'][name]) for name in schema['required'] if name not in found}
        return [f'{field(path, name)}: found nothing, allowed: {words}' for name, words in allowed.items()]
    if error.validator == 'additionalProperties':
        allowed = ', '.join(schema['properties'])
        unknown = [name for name in found if name not in schema['properties']]
        return [f'{field(path, name)}: unknown field, allowed: {allowed}' for name in unknown]
    return [f'{field(path)}: found {json.dumps(found)[:80]}, allowed: {in_words(schema)}']


def field(path, *names):
    return '.'.join([*path, *names])


TYPES = {
    'array': 'a list',
    'boolean': 'true or false',
    'integer': 'an integer',
    'null': 'null',
    'number': 'a number',
    'object': 'an object',
    'string': 'a text',
}
LIMITS = {
    'minimum': 'of at least {}',
    'exclusiveMinimum': 'above {}',
    'maximum': 'of at most {}',
    'exclusiveMaximum': 'below {}',
    'minLength': 'with a length of at least {}',
    'minItems': 'with a length of at least {}',
    'pattern': 'that matches {}',
}


def in_words(schema):
    """Describes what a schema allows: `an integer above 0, or null`."""
    if 'const' in schema:
        return json.dumps(schema['const'])
    if 'enum' in schema:
        return ' or '.join(map(json.dumps, schema['enum']))
    if 'anyOf' in schema:
        return ', or '.join(map(in_words, schema['anyOf']))
    items = schema.get('items')
    if isinstance(items, list):
        return 'a list of ' + ', and '.join(map(in_words, items))
    limits = ' and '.join(text.format(schema[keyword]) for keyword, text in LIMITS.items() if keyword in schema)
    allowed = f'{TYPES[schema["type"]]} {limits}'.rstrip()
    return f'{allowed}, each {in_words(items)}' if items else allowed
