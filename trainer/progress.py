"""Reports the progress of a training, marks its checkpoints and stops it: one callback for all methods.

A training that changes no file for too long is taken for stalled and stopped (src/training/stall-watch.ts). Long
operations therefore touch the file `heartbeat`.
"""

import json
import math
import os
import time

import torch
from transformers import TrainerCallback

from trainer import checkpoints
from trainer.errors import Stopped, TrainingDiverged
from trainer.files import remove_truncated_line, touch

# The values that TRL logs for DPO and GRPO in addition to the loss, each a mean over the step.
REWARDS = {
    'rewardMargin': 'rewards/margins',
    'rewardAccuracy': 'rewards/accuracies',
    'reward': 'reward',
    'zeroVarianceShare': 'frac_reward_zero_std',
    'completionTokens': 'completions/mean_length',
    'truncatedShare': 'completions/clipped_ratio',
}


class Progress(TrainerCallback):
    """Reports each step, marks each complete checkpoint, and stops the training on request."""

    def __init__(self, job, identity, lease, stop_requested, resumed):
        facts = resumed[1] if resumed else {'seconds': 0.0, 'tokens': 0, 'resumedFromSteps': []}
        self.job, self.identity, self.lease, self.stop_requested = job, identity, lease, stop_requested
        self.first_step = facts.get('step', 0)
        self.resumed_from = [*facts['resumedFromSteps'], *([self.first_step] if resumed else [])]
        self.seconds_before, self.tokens_before = facts['seconds'], facts['tokens']
        self.tokens = 0
        self.path = os.path.join(job.outputFolder, 'progress.jsonl')
        if lease:
            remove_truncated_line(self.path)
        self.started = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self.started

    def on_train_begin(self, args, state, control, **_):
        self.started = time.monotonic()
        self.counted_before = state.num_input_tokens_seen  # by GRPO, whose checkpoints keep the count

    def on_substep_end(self, args, state, control, **_):
        self.touch_heartbeat()  # a step of many forward passes may take minutes

    def touch_heartbeat(self):
        touch_heartbeat(self.job, self.lease)

    def on_step_end(self, args, state, control, **_):
        if self._on_any_rank(self.lease is not None and self.lease.lost.is_set(), args.device):
            # Saves no checkpoint: the folder belongs to another trainer now.
            raise Stopped(f'{self.job.outputFolder}: another start has taken over this folder')
        if self._on_any_rank(self.stop_requested.is_set(), args.device):
            control.should_save = control.should_training_stop = True

    def on_log(self, args, state, control, logs=None, **_):
        if not logs or 'loss' not in logs:
            return
        for name in ('loss', 'grad_norm'):
            if not math.isfinite(logs.get(name, 0.0)):
                raise TrainingDiverged(f'{self.job.outputFolder}: {name} is {logs[name]} at step {state.global_step}')
        self.tokens = int(logs['num_tokens']) - self.counted_before
        if self.lease is None:
            return
        done = state.global_step - self.first_step
        self._append(
            {
                'step': state.global_step,
                'totalSteps': state.max_steps,
                'loss': logs['loss'],
                **{name: logs[logged] for name, logged in REWARDS.items() if logged in logs},
                'learningRate': logs['learning_rate'],
                'tokensPerSecond': round(self.tokens / self.seconds, 1),
                'etaSeconds': round((state.max_steps - state.global_step) * self.seconds / done, 1),
                'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
            }
        )

    def on_save(self, args, state, control, **_):
        wait_for_all_ranks()  # each rank writes its random state into the folder
        if self.lease is None:
            return
        self.touch_heartbeat()
        self.lease.check()
        folder = os.path.join(args.output_dir, f'checkpoint-{state.global_step}')
        facts = {
            'step': state.global_step,
            'identity': self.identity,
            'seconds': self.seconds_before + self.seconds,
            'tokens': self.tokens_before + self.tokens,
            'resumedFromSteps': self.resumed_from,
        }
        checkpoints.mark_complete(folder, facts, self.touch_heartbeat)
        mirror = self.job.mirror
        if mirror:
            mirror.checkpoint_saved(folder)
        used = mirror.sending if mirror else None
        checkpoints.keep_newest(args.output_dir, self.job.hyperparameters.saveTotalLimit, used)

    def _append(self, line):
        with open(self.path, 'a', encoding='utf-8') as file:
            file.write(json.dumps(line) + '\n')

    @staticmethod
    def _on_any_rank(here, device):
        """Tells whether `here` is true on any rank. All ranks must stop at the same step, or some would wait forever."""
        if not torch.distributed.is_initialized():
            return here
        flag = torch.tensor(float(here), device=device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return bool(flag.item())


def wait_for_all_ranks():
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def touch_heartbeat(job, lease):
    """Shows followers that the training is not stalled."""
    if lease:
        touch(os.path.join(job.outputFolder, 'heartbeat'))


def log(lease, line):
    """Prints a line with the time, on the first rank only."""
    if lease:
        print(f'{time.strftime("%H:%M:%S")} {line}', flush=True)
