"""Models of earlier steps, among which validation chooses (`fineTuning.rounds[].selectCheckpoint`).

A candidate is what the training would have left if it had ended there: `candidates/step-N/model/`, and last
`candidates/step-N/result.json`. It has no optimizer state and does not serve to resume; the checkpoints of `saveSteps` do.
After an interruption the training repeats the steps since its last checkpoint, and so also writes their candidates again.
"""

import os
import shutil

import torch
from transformers import TrainerCallback

from trainer.finish import write_judge
from trainer.progress import log


class Candidates(TrainerCallback):
    def __init__(self, job, lease, write):
        """`write(folder)` is `write_judge` of this training."""
        self._job, self._lease, self._write = job, lease, write

    def on_log(self, args, state, control, logs=None, **_):
        """Saves after the loss of the step is known, and before a checkpoint of the step: no start that resumes lacks it."""
        is_due = state.global_step % self._job.candidateEverySteps == 0 and state.global_step < state.max_steps
        if not logs or 'loss' not in logs or not is_due:
            return
        name = f'step-{state.global_step}'
        folder = os.path.join(self._job.outputFolder, 'candidates', name)
        # Merging an adapter draws random numbers; the training must go on as it would without.
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices):
            result = self._write(folder)
        if result is None:
            return
        log(self._lease, f'saved the model of step {state.global_step}')
        if self._job.mirror:
            self._job.mirror.publish_candidate(name)
            shutil.rmtree(folder)


def candidates_of(job, identity, lease, trainer, tokenizer, rows, training_set, callback):
    """The callback that saves the candidates of a training; none if it has none."""
    if not job.candidateEverySteps:
        return []

    def write(folder):
        return write_judge(folder, job, identity, lease, trainer, tokenizer, rows, training_set, callback)

    return [Candidates(job, lease, write)]
