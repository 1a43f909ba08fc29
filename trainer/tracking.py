"""Experiment trackers, which a training reports to in addition to progress.jsonl.

Trackers do not influence the training: weights and results are the same with and without them. A tracker that fails is
switched off, and the training continues.
"""

import contextlib
import importlib.util
import netrc
import os
import sys
import uuid

from trainer.files import read_json, write_json
from trainer.progress import log

PACKAGES = {'tensorboard': 'tensorboardX', 'wandb': 'wandb', 'mlflow': 'mlflow'}


def tracker_problems(names):
    """The reasons why trackers cannot be used. Each one says what to do."""
    problems = []
    for name in names:
        package = PACKAGES[name]
        if importlib.util.find_spec(package) is None:
            command = f'pip --python {sys.executable} install {package}'
            problems.append(f'{name} needs the package {package}, which is not installed: {command}')
        elif name == 'wandb' and not has_wandb_key():
            problems.append('wandb has no key: set WANDB_API_KEY or WANDB_MODE=offline for the worker')
        elif name == 'mlflow' and not os.environ.get('MLFLOW_TRACKING_URI'):
            problems.append('mlflow has no server: set MLFLOW_TRACKING_URI for the worker')
    return [f'fineTuning.reportTo: {problem}' for problem in problems]


def has_wandb_key():
    if os.environ.get('WANDB_API_KEY') or os.environ.get('WANDB_MODE') in ('offline', 'disabled'):
        return True
    try:
        return any('wandb' in host for host in netrc.netrc().hosts)  # `wandb login` writes the key there
    except (OSError, netrc.NetrcParseError):
        return False


class Trackers:
    """Passes events to the callbacks of a job's trackers. A resumed training continues the same logs."""

    def __init__(self, job, lease, first_step):
        self.lease, self.callbacks = lease, {}
        for name in job.reportTo:
            with self._isolated(name):
                self.callbacks[name] = START[name](job, first_step)

    def __getattr__(self, event):
        if not event.startswith('on_'):
            raise AttributeError(event)
        return lambda *args, **kwargs: self._call(event, args, kwargs)

    def _call(self, event, args, kwargs):
        for name, callback in list(self.callbacks.items()):
            with self._isolated(name):
                getattr(callback, event)(*args, **kwargs)

    @contextlib.contextmanager
    def _isolated(self, name):
        """Switches off a tracker that raises an exception, for example because its server is gone."""
        try:
            yield
        except Exception as error:
            self.callbacks.pop(name, None)
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())
            log(self.lease, f'{name} is switched off: {reason}')


def start_tensorboard(job, first_step):
    from tensorboardX import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    # Steps after the checkpoint are trained again: hide the reports of the earlier start about them.
    purge_step = first_step + 1 if first_step else None
    return TensorBoardCallback(SummaryWriter(os.path.join(job.outputFolder, 'tensorboard'), purge_step=purge_step))


def start_wandb(job, _first_step):
    import wandb
    from transformers.integrations import WandbCallback

    class FinishingCallback(WandbCallback):
        """Finishes the run explicitly: the trainer exits without Python's exit handlers, in which W&B finishes runs."""

        def on_train_end(self, *args, **kwargs):
            super().on_train_end(*args, **kwargs)
            wandb.finish()

    os.environ.setdefault('WANDB_PROJECT', 'self-taught-evaluator')
    os.environ.setdefault('WANDB_DIR', job.outputFolder)
    os.environ['WANDB_RUN_ID'] = tracked_run(job, 'wandb', lambda: uuid.uuid4().hex[:12])
    os.environ['WANDB_RESUME'] = 'allow'
    os.environ.setdefault('WANDB_FINISH_TIMEOUT', '120')  # seconds; by default it waits forever
    return FinishingCallback()


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
    """The tracker's id of this training. It is created once and stored in the output folder, and archived with it."""
    path = os.path.join(job.outputFolder, 'trackers.json')
    ids = read_json(path) or {}
    if name not in ids:
        ids[name] = create()
        write_json(path, ids)
    return ids[name]


START = {'tensorboard': start_tensorboard, 'wandb': start_wandb, 'mlflow': start_mlflow}
