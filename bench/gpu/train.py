"""Trains a job by our trainer or by TRL alone, and prints what it took: train.py ours|bare JOB_FILE

The last line of the output is {usedBytes, tokensPerSecond, firstStep, losses}. The first three steps are left out of the
speed, because kernels are chosen and memory is reserved in them.
"""

import json
import sys
import time

WARM_STEPS = 3


class Record:
    def __init__(self):
        self.steps, self.losses = [], []

    def add(self, state, logs):
        if logs and 'loss' in logs:
            self.steps.append((state.global_step, time.monotonic(), int(logs['num_tokens'])))
            self.losses.append(logs['loss'])

    def print(self):
        import torch

        used = 0
        if torch.cuda.is_available():
            free, total = torch.cuda.mem_get_info()
            used = total - free
        (_, began, before), (_, ended, after) = self.steps[min(WARM_STEPS, len(self.steps) - 2)], self.steps[-1]
        line = {
            'usedBytes': used,
            'tokensPerSecond': round((after - before) / (ended - began)),
            'firstStep': self.steps[0][0],
            'losses': self.losses,
        }
        print(json.dumps(line), flush=True)


def ours(job_file, record):
    from trainer import __main__ as trainer
    from trainer.progress import Progress

    on_log = Progress.on_log

    def recorded(self, args, state, control, logs=None, **more):
        on_log(self, args, state, control, logs=logs, **more)
        record.add(state, logs)

    Progress.on_log = recorded
    return trainer.run_job(job_file)


def bare(job_file, record):
    """The same data and settings, given to TRL as it is."""
    from trainer.__main__ import prepare_environment
    from trainer.data import build_training_set, read_rows
    from trainer.job import read_job

    job = read_job(job_file)
    prepare_environment(job.baseCheckpoint, job.threads)
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from trainer.adapter import lora_config
    from trainer.fine_tune import load_base, shared_arguments

    class Recorder(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **_):
            record.add(state, logs)

    tokenizer, model = load_base(job)
    examples = build_training_set(read_rows(job.data, job.method), tokenizer, job).examples
    SFTTrainer(
        model=model,
        args=SFTConfig(**shared_arguments(job, job.outputFolder, len(examples))),
        train_dataset=Dataset.from_list(examples),
        processing_class=tokenizer,
        peft_config=lora_config(job),
        callbacks=[Recorder()],
    ).train()
    return 0


if __name__ == '__main__':
    mode, job = sys.argv[1:]
    record = Record()
    code = {'ours': ours, 'bare': bare}[mode](job, record)
    if code:
        sys.exit(code)
    record.print()
