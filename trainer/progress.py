"""What a training tells while it runs, when it saves, and when it stops: one callback for every method.

Whoever follows it takes silence for a standstill (src/training/stall-watch.ts): what may take long touches `heartbeat`.
"""

import json
import math
import os
import time

import torch
from transformers import TrainerCallback

from trainer import checkpoints
from trainer.errors import Stopped, TrainingDiverged
from trainer.files import cut_torn_line, touch

# What TRL logs for DPO beside the loss; shares and margins are means over the step.
REWARDS = {'rewardMargin': 'rewards/margins', 'rewardAccuracy': 'rewards/accuracies'}


class Progress(TrainerCallback):
    """Reports each step, marks each checkpoint whole, and stops when asked to."""

    def __init__(self, job, identity, lease, stop_requested, resumed):
        facts = resumed[1] if resumed else {'seconds': 0.0, 'tokens': 0, 'resumedFromSteps': []}
        self.job, self.identity, self.lease, self.stop_requested = job, identity, lease, stop_requested
        self.first_step = facts.get('step', 0)
        self.resumed_from = [*facts['resumedFromSteps'], *([self.first_step] if resumed else [])]
        self.seconds_before, self.tokens_before = facts['seconds'], facts['tokens']
        self.tokens = 0
        self.path = os.path.join(job.outputFolder, 'progress.jsonl')
        if lease:
            cut_torn_line(self.path)
        self.started = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self.started

    def on_train_begin(self, args, state, control, **_):
        self.started = time.monotonic()

    def on_substep_end(self, args, state, control, **_):
        self.beat()  # a step of many forward passes may take minutes

    def beat(self):
        beat(self.job, self.lease)

    def on_step_end(self, args, state, control, **_):
        if self._anywhere(self.lease is not None and self.lease.lost.is_set(), args.device):
            # No checkpoint: the folder is another trainer's now.
            raise Stopped(f'{self.job.outputFolder}: another start has taken over this folder')
        if self._anywhere(self.stop_requested.is_set(), args.device):
            control.should_save = control.should_training_stop = True

    def on_log(self, args, state, control, logs=None, **_):
        if not logs or 'loss' not in logs:
            return
        for name in ('loss', 'grad_norm'):
            if not math.isfinite(logs.get(name, 0.0)):
                raise TrainingDiverged(f'{self.job.outputFolder}: {name} is {logs[name]} at step {state.global_step}')
        self.tokens = int(logs['num_tokens'])  # TRL counts from this start on
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
        wait_for_all_ranks()  # each writes its own random state into the folder
        if self.lease is None:
            return
        self.beat()
        self.lease.check()
        folder = os.path.join(args.output_dir, f'checkpoint-{state.global_step}')
        facts = {
            'step': state.global_step,
            'identity': self.identity,
            'seconds': self.seconds_before + self.seconds,
            'tokens': self.tokens_before + self.tokens,
            'resumedFromSteps': self.resumed_from,
        }
        checkpoints.mark_whole(folder, facts)
        checkpoints.keep_newest(args.output_dir, self.job.hyperparameters.keepCheckpoints)

    def _append(self, line):
        with open(self.path, 'a', encoding='utf-8') as file:
            file.write(json.dumps(line) + '\n')

    @staticmethod
    def _anywhere(here, device):
        """Whether it holds in any rank: all must stop at the same step, or the others wait for them for ever."""
        if not torch.distributed.is_initialized():
            return here
        flag = torch.tensor(float(here), device=device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return bool(flag.item())


def wait_for_all_ranks():
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def beat(job, lease):
    """Shows that the training gets on."""
    if lease:
        touch(os.path.join(job.outputFolder, 'heartbeat'))


def say(lease, line):
    if lease:
        print(f'{time.strftime("%H:%M:%S")} {line}', flush=True)
