"""The job file: what to train, from what, where to."""

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass

from trainer.errors import ConfigurationError
from trainer.files import read_json, sha256_of

SCHEMA = 1


@dataclass(frozen=True)
class Hyperparameters:
    epochs: float
    maximumSteps: int | None  # an upper bound beside the epochs
    batchSize: int  # examples in a forward pass on one device
    gradientAccumulation: int  # forward passes in an optimizer step
    learningRate: float
    schedule: str  # after the warm-up: cosine or linear down to finalLearningRateRatio * learningRate, or constant
    warmupSteps: int
    finalLearningRateRatio: float
    weightDecay: float
    adamBetas: tuple[float, float]
    maximumGradientNorm: float | None
    maximumLength: int  # tokens of prompt and completion; a longer example is left out whole
    precision: str  # of the computation; weights and optimizer state are float32
    checkpointEverySteps: int
    keepCheckpoints: int


@dataclass(frozen=True)
class Job:
    method: str
    baseCheckpoint: str
    data: str
    outputFolder: str
    seed: int
    token: str  # of this one start
    hyperparameters: Hyperparameters
    threads: int | None
    trustRemoteCode: bool

    def identity(self):
        """What the weights follow from: a checkpoint or a result is this job's own only if its identity is the same."""
        meaning = asdict(self.hyperparameters)
        for how in ('checkpointEverySteps', 'keepCheckpoints'):
            del meaning[how]
        return {
            'method': self.method,
            'seed': self.seed,
            'base': base_identity(self.baseCheckpoint),
            'data': sha256_of(self.data) if os.path.isfile(self.data) else None,
            'hyperparameters': {**meaning, 'adamBetas': list(meaning['adamBetas'])},
        }


def base_identity(checkpoint):
    """A folder counts by its configuration and the sizes of its weights, since the store that holds it may be moved and
    hashing a large model takes minutes; a model hub's name counts as it is."""
    if not os.path.isdir(checkpoint):
        return checkpoint
    sizes = sorted((f.name, f.stat().st_size) for f in os.scandir(checkpoint) if f.name.endswith('.safetensors'))
    configuration = os.path.join(checkpoint, 'config.json')
    described = [sha256_of(configuration) if os.path.isfile(configuration) else None, sizes]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def read_job(path):
    """Reads and checks a job file. Raises ConfigurationError naming every field that is wrong."""
    path = os.path.abspath(path)
    raw = read_json(path)
    if not isinstance(raw, dict):
        raise ConfigurationError(f'{path}: no such file, or not a JSON object')
    problems = [*unknown(raw, JOB_FIELDS), *check(raw, JOB_FIELDS)]
    parameters = raw.get('hyperparameters')
    if isinstance(parameters, dict):
        problems += unknown(parameters, PARAMETER_FIELDS, 'hyperparameters.')
        problems += check(parameters, PARAMETER_FIELDS, 'hyperparameters.')
    if problems:
        raise ConfigurationError(f'{path}: ' + '; '.join(problems))
    fields = {name: raw[name] for name in JOB_FIELDS if name not in ('schema', 'hyperparameters')}
    return Job(
        **fields,
        hyperparameters=Hyperparameters(**{**parameters, 'adamBetas': tuple(parameters['adamBetas'])}),
    )


def is_integer(value, at_least):
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def integer(at_least):
    return f'an integer of at least {at_least}', lambda v: is_integer(v, at_least)


def one_of(*values):
    return 'one of ' + ', '.join(map(repr, values)), lambda v: isinstance(v, str) and v in values


def nullable(rule):
    allowed, test = rule
    return f'{allowed}, or null', lambda v: v is None or test(v)


TEXT = ('a text', lambda v: isinstance(v, str) and v != '')
FOLDER = ('an absolute path', lambda v: isinstance(v, str) and os.path.isabs(v))
POSITIVE = ('a number above 0', lambda v: is_number(v) and v > 0)
NOT_NEGATIVE = ('a number of at least 0', lambda v: is_number(v) and v >= 0)
BETAS = (
    'two numbers from 0 to below 1',
    lambda v: isinstance(v, list) and len(v) == 2 and all(is_number(b) and 0 <= b < 1 for b in v),
)

JOB_FIELDS = {
    'schema': (f'{SCHEMA}', lambda v: is_integer(v, SCHEMA) and v == SCHEMA),
    'method': one_of('sft'),
    'baseCheckpoint': TEXT,
    'data': FOLDER,
    'outputFolder': FOLDER,
    'seed': ('an integer from 0 to 4294967295', lambda v: is_integer(v, 0) and v < 2**32),
    'token': TEXT,
    'hyperparameters': ('an object', lambda v: isinstance(v, dict)),
    'threads': nullable(integer(1)),
    'trustRemoteCode': ('true or false', lambda v: isinstance(v, bool)),
}

PARAMETER_FIELDS = {
    'epochs': POSITIVE,
    'maximumSteps': nullable(integer(1)),
    'batchSize': integer(1),
    'gradientAccumulation': integer(1),
    'learningRate': POSITIVE,
    'schedule': one_of('cosine', 'linear', 'constant'),
    'warmupSteps': integer(0),
    'finalLearningRateRatio': ('a number from 0 to 1', lambda v: is_number(v) and 0 <= v <= 1),
    'weightDecay': NOT_NEGATIVE,
    'adamBetas': BETAS,
    'maximumGradientNorm': nullable(POSITIVE),
    'maximumLength': integer(2),
    'precision': one_of('float32', 'bfloat16'),
    'checkpointEverySteps': integer(1),
    'keepCheckpoints': integer(1),
}


def unknown(found, fields, prefix=''):
    return [f'{prefix}{name}: unknown field' for name in found if name not in fields]


def check(found, fields, prefix=''):
    return [
        f'{prefix}{name}: found {json.dumps(found[name])[:80] if name in found else "nothing"}, allowed: {allowed}'
        for name, (allowed, test) in fields.items()
        if name not in found or not test(found[name])
    ]
