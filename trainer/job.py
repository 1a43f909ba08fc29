"""The job file: what to train, from what, where to."""

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass

from trainer.errors import ConfigurationError
from trainer.files import read_json, sha256_of

SCHEMA = 1
TRACKERS = ('tensorboard', 'wandb', 'mlflow')


@dataclass(frozen=True)
class Hyperparameters:
    epochs: float
    maximumSteps: int | None  # an upper bound beside the epochs
    batchSize: int  # examples in a forward pass on one device
    gradientAccumulation: int  # forward passes in an optimizer step
    learningRate: float
    schedule: str  # after the warm-up: cosine or linear to finalLearningRateRatio * learningRate, or constant
    warmupSteps: int
    finalLearningRateRatio: float  # above 1 (cosine alone) the rate rises
    weightDecay: float
    adamBetas: tuple[float, float]
    maximumGradientNorm: float | None
    maximumLength: int  # tokens of prompt and completion (DPO: of the longer one); a longer example is left out whole
    precision: str  # of the computation; weights and optimizer state are float32
    checkpointEverySteps: int
    keepCheckpoints: int


@dataclass(frozen=True)
class DpoHyperparameters(Hyperparameters):
    beta: float  # how strongly the reference holds the policy back
    nllWeight: float  # of the chosen completion's negative log-likelihood per token, beside the preference loss


@dataclass(frozen=True)
class LoraAdapter:
    rank: int
    alpha: float  # the adapter's output counts alpha / rank times
    dropout: float
    targetModules: str | tuple[str, ...]  # 'all-linear', or names of the layers that get an adapter
    keep: bool  # beside the merged model/, as adapter/


@dataclass(frozen=True)
class Job:
    method: str  # sft or dpo
    baseCheckpoint: str
    data: str
    outputFolder: str
    seed: int
    token: str  # of this one start
    hyperparameters: Hyperparameters
    adapter: LoraAdapter | None
    threads: int | None
    trustRemoteCode: bool
    name: str  # how trackers show it
    reportTo: tuple[str, ...]  # trackers, by name (trainer/tracking.py)

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
            'hyperparameters': as_json(meaning),
            'adapter': self.adapter_identity(),
        }

    def adapter_identity(self):
        if self.adapter is None:
            return {'kind': 'none'}
        meaning = asdict(self.adapter)
        del meaning['keep']
        return {'kind': 'lora', **as_json(meaning)}


def as_json(fields):
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


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
    raw = {'reportTo': [], **raw}  # a run that was planned before there were trackers names none
    problems = [*unknown(raw, JOB_FIELDS), *check(raw, JOB_FIELDS)]
    dpo = raw.get('method') == 'dpo'
    parts = {
        'hyperparameters': {**PARAMETER_FIELDS, **(DPO_FIELDS if dpo else {})},
        'adapter': {'none': NO_ADAPTER_FIELDS, 'lora': LORA_FIELDS}.get(kind_of(raw.get('adapter')), {}),
    }
    for part, fields in parts.items():
        if isinstance(raw.get(part), dict) and fields:
            problems += [*unknown(raw[part], fields, f'{part}.'), *check(raw[part], fields, f'{part}.')]
    if problems:
        raise ConfigurationError(f'{path}: ' + '; '.join(problems))
    parameters = {**raw['hyperparameters'], 'adamBetas': tuple(raw['hyperparameters']['adamBetas'])}
    fields = {name: raw[name] for name in JOB_FIELDS if name not in ('schema', 'reportTo', *parts)}
    return Job(
        **fields,
        reportTo=tuple(raw['reportTo']),
        hyperparameters=(DpoHyperparameters if dpo else Hyperparameters)(**parameters),
        adapter=read_adapter(**raw['adapter']),
    )


def kind_of(adapter):
    return adapter.get('kind') if isinstance(adapter, dict) else None


def read_adapter(kind, **fields):
    if kind == 'none':
        return None
    modules = fields['targetModules']
    return LoraAdapter(**{**fields, 'targetModules': modules if isinstance(modules, str) else tuple(modules)})


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
BOOLEAN = ('true or false', lambda v: isinstance(v, bool))
MODULES = (
    "'all-linear', or a list of names of layers",
    lambda v: v == 'all-linear' or (isinstance(v, list) and v != [] and all(isinstance(n, str) and n for n in v)),
)

JOB_FIELDS = {
    'schema': (f'{SCHEMA}', lambda v: is_integer(v, SCHEMA) and v == SCHEMA),
    'method': one_of('sft', 'dpo'),
    'baseCheckpoint': TEXT,
    'data': FOLDER,
    'outputFolder': FOLDER,
    'seed': ('an integer from 0 to 4294967295', lambda v: is_integer(v, 0) and v < 2**32),
    'token': TEXT,
    'hyperparameters': ('an object', lambda v: isinstance(v, dict)),
    'adapter': ("an object with the kind 'none' or 'lora'", lambda v: kind_of(v) in ('none', 'lora')),
    'threads': nullable(integer(1)),
    'trustRemoteCode': BOOLEAN,
    'name': TEXT,
    'reportTo': (
        f'a list of trackers: {", ".join(TRACKERS)}',
        lambda v: isinstance(v, list) and all(isinstance(name, str) and name in TRACKERS for name in v),
    ),
}

PARAMETER_FIELDS = {
    'epochs': POSITIVE,
    'maximumSteps': nullable(integer(1)),
    'batchSize': integer(1),
    'gradientAccumulation': integer(1),
    'learningRate': POSITIVE,
    'schedule': one_of('cosine', 'linear', 'constant'),
    'warmupSteps': integer(0),
    'finalLearningRateRatio': NOT_NEGATIVE,
    'weightDecay': NOT_NEGATIVE,
    'adamBetas': BETAS,
    'maximumGradientNorm': nullable(POSITIVE),
    'maximumLength': integer(2),
    'precision': one_of('float32', 'bfloat16'),
    'checkpointEverySteps': integer(1),
    'keepCheckpoints': integer(1),
}

DPO_FIELDS = {'beta': POSITIVE, 'nllWeight': NOT_NEGATIVE}

NO_ADAPTER_FIELDS = {'kind': TEXT}

LORA_FIELDS = {
    'kind': TEXT,
    'rank': integer(1),
    'alpha': POSITIVE,
    'dropout': ('a number from 0 to below 1', lambda v: is_number(v) and 0 <= v < 1),
    'targetModules': MODULES,
    'keep': BOOLEAN,
}


def unknown(found, fields, prefix=''):
    return [f'{prefix}{name}: unknown field' for name in found if name not in fields]


def check(found, fields, prefix=''):
    return [
        f'{prefix}{name}: found {json.dumps(found[name])[:80] if name in found else "nothing"}, allowed: {allowed}'
        for name, (allowed, test) in fields.items()
        if name not in found or not test(found[name])
    ]
