"""Experiment trackers: where a training is reported beside progress.jsonl. They never decide anything: weights and
results are the same whichever are on, and one that fails is left out while the training goes on."""

import contextlib
import importlib.util
import netrc
import os
import sys
import uuid

from trainer.files import read_json, write_json
from trainer.progress import say

PACKAGES = {'tensorboard': 'tensorboardX', 'wandb': 'wandb', 'mlflow': 'mlflow'}


def tracker_problems(names):
    """What keeps a tracker from being used, each problem with what to do."""
    problems = []
    for name in names:
        package = PACKAGES[name]
        if importlib.util.find_spec(package) is None:
            command = f'pip --python {sys.executable} install {package}'
            problems.append(f'{name} needs the package {package}, which is not installed: {command}')
        elif name == 'wandb' and not may_reach_wandb():
            problems.append('wandb has no key: set WANDB_API_KEY where the worker runs (or WANDB_MODE=offline)')
        elif name == 'mlflow' and not os.environ.get('MLFLOW_TRACKING_URI'):
            problems.append('mlflow has no server: set MLFLOW_TRACKING_URI where the worker runs')
    return [f'fineTuning.reportTo: {problem}' for problem in problems]


def may_reach_wandb():
    if os.environ.get('WANDB_API_KEY') or os.environ.get('WANDB_MODE') in ('offline', 'disabled'):
        return True
    try:
        return any('wandb' in host for host in netrc.netrc().hosts)  # `wandb login` writes it there
    except (OSError, netrc.NetrcParseError):
        return False


class Trackers:
    """The callbacks of a job's trackers, as one. A resumed training goes on in the same logs."""

    def __init__(self, job, lease, first_step):
        self.lease, self.callbacks = lease, {}
        for name in job.reportTo:
            with self._contained(name):
                self.callbacks[name] = START[name](job, first_step)

    def __getattr__(self, event):
        if not event.startswith('on_'):
            raise AttributeError(event)
        return lambda *args, **kwargs: self._tell(event, args, kwargs)

    def _tell(self, event, args, kwargs):
        for name, callback in list(self.callbacks.items()):
            with self._contained(name):
                getattr(callback, event)(*args, **kwargs)

    @contextlib.contextmanager
    def _contained(self, name):
        """Whatever a tracker raises ends that tracker alone: it may talk to a server that is gone."""
        try:
            yield
        except Exception as error:
            self.callbacks.pop(name, None)
            say(self.lease, f'{name} is left out from here: {" ".join(f"{type(error).__name__}: {error}".split())}')


def start_tensorboard(job, first_step):
    from tensorboardX import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    # What an earlier start has reported beyond the checkpoint is done again, and hidden.
    purge = first_step + 1 if first_step else None
    return TensorBoardCallback(SummaryWriter(os.path.join(job.outputFolder, 'tensorboard'), purge_step=purge))


def start_wandb(job, _first_step):
    import wandb
    from transformers.integrations import WandbCallback

    class FinishedAtTheEnd(WandbCallback):
        """The trainer leaves without Python's exit handlers, by which W&B would send what is left."""

        def on_train_end(self, *args, **kwargs):
            super().on_train_end(*args, **kwargs)
            wandb.finish()

    os.environ.setdefault('WANDB_PROJECT', 'self-taught-evaluator')
    os.environ.setdefault('WANDB_DIR', job.outputFolder)
    os.environ['WANDB_RUN_ID'] = tracked_run(job, 'wandb', lambda: uuid.uuid4().hex[:12])
    os.environ['WANDB_RESUME'] = 'allow'
    os.environ.setdefault('WANDB_FINISH_TIMEOUT', '120')  # seconds: with the server gone it would wait for ever
    return FinishedAtTheEnd()


def start_mlflow(job, _first_step):
    import mlflow
    from transformers.integrations import MLflowCallback

    os.environ.setdefault('MLFLOW_EXPERIMENT_NAME', 'self-taught-evaluator')

    def create():
        experiment = mlflow.set_experiment(os.environ['MLFLOW_EXPERIMENT_NAME'])
        return mlflow.MlflowClient().create_run(experiment.experiment_id, run_name=job.name).info.run_id

    os.environ['MLFLOW_RUN_ID'] = tracked_run(job, 'mlflow', create)
    return MLflowCallback()


def tracked_run(job, name, create):
    """The tracker's id of this training, made once and kept beside it: it is set aside with the training."""
    path = os.path.join(job.outputFolder, 'trackers.json')
    ids = read_json(path) or {}
    if name not in ids:
        ids[name] = create()
        write_json(path, ids)
    return ids[name]


START = {'tensorboard': start_tensorboard, 'wandb': start_wandb, 'mlflow': start_mlflow}
