"""Supervised fine-tuning: a thin layer over TRL's SFTTrainer that adds progress, whole checkpoints and a clean stop."""

import hashlib
import json
import math
import os
import shutil
import time

import torch
from datasets import Dataset
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from transformers.utils.logging import disable_progress_bar
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from trainer import checkpoints
from trainer.data import build_training_set
from trainer.errors import ConfigurationError, Stopped, TrainingDiverged
from trainer.files import cut_torn_line, listing, sync, sync_tree, write_json
from trainer.preflight import versions


def fine_tune(job, rows, lease, stop_requested):
    """Trains to the end and puts model/ and result.json in place. `lease` is None in all ranks but the first."""
    if job.threads:
        torch.set_num_threads(job.threads)
    disable_progress_bar()  # it writes thousands of lines into a log
    saves = os.path.join(job.outputFolder, 'checkpoints')
    tokenizer, model = load_base(job)
    training_set = build_training_set(rows, tokenizer, job)
    identity = job.identity()
    resumed = checkpoints.newest_whole(saves)
    if resumed:
        checkpoints.require_same_job(identity, resumed[1]['identity'], resumed[0])
    if lease:
        checkpoints.remove_torn(saves)

    arguments = trainer_arguments(job, saves, len(training_set.examples))
    callback = Progress(job, identity, lease, stop_requested, resumed)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(training_set.examples),
        processing_class=tokenizer,
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    examples = f'{len(training_set.examples)} examples ({training_set.dropped_too_long} too long)'
    devices = f'{trainer.accelerator.num_processes} x {arguments.device.type}'
    origin = resumed[0] if resumed else job.baseCheckpoint
    say(lease, f'{examples}, {arguments.max_steps} steps on {devices}, from {origin}')
    if stop_requested.is_set():
        raise Stopped(f'{job.outputFolder}: asked to stop before the first step')
    trainer.train(resume_from_checkpoint=resumed[0] if resumed else None)
    # Neither a return nor an exit code of 0 proves that training came to its end: the step does.
    if trainer.state.global_step < arguments.max_steps:
        raise Stopped(f'{saves}: stopped at step {trainer.state.global_step} of {arguments.max_steps}')
    if lease:
        finish(job, identity, lease, trainer, tokenizer, training_set, callback)
    trainer.accelerator.wait_for_everyone()


class Trainer(SFTTrainer):
    def create_model_card(self, *_, **__):
        """A checkpoint is for going on, not for publishing."""


def load_base(job):
    """Tokenizer and model. Raises ConfigurationError where the base checkpoint can't be used."""
    options = {'trust_remote_code': job.trustRemoteCode}
    try:
        tokenizer = AutoTokenizer.from_pretrained(job.baseCheckpoint, **options)
        # Weights in float32 whatever the precision of the computation: with updates of a few millionths of a weight,
        # half precision would round most of them away.
        model = AutoModelForCausalLM.from_pretrained(
            job.baseCheckpoint, dtype=torch.float32, use_safetensors=True, **options
        )
    except (OSError, ValueError) as error:
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}: {error}') from None
    if tokenizer.pad_token is None and tokenizer.eos_token is None:
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}: its tokenizer has no pad and no end token')
    return tokenizer, model


def trainer_arguments(job, saves, examples):
    p = job.hyperparameters
    on_gpu = torch.cuda.is_available()
    schedule, schedule_options = {
        'cosine': ('cosine_with_min_lr', {'min_lr_rate': p.finalLearningRateRatio}),
        'linear': ('polynomial', {'power': 1.0, 'lr_end': p.finalLearningRateRatio * p.learningRate}),
        'constant': ('constant_with_warmup', {}),
    }['constant' if p.finalLearningRateRatio == 1 else p.schedule]
    try:
        return SFTConfig(
            output_dir=saves,
            seed=job.seed,
            max_steps=total_steps(p, examples),
            per_device_train_batch_size=p.batchSize,
            gradient_accumulation_steps=p.gradientAccumulation,
            learning_rate=p.learningRate,
            lr_scheduler_type=schedule,
            lr_scheduler_kwargs=schedule_options,
            warmup_steps=p.warmupSteps,
            weight_decay=p.weightDecay,
            adam_beta1=p.adamBetas[0],
            adam_beta2=p.adamBetas[1],
            max_grad_norm=p.maximumGradientNorm or 0.0,
            bf16=p.precision == 'bfloat16',
            use_cpu=not on_gpu,
            # A third more time for a fraction of the memory: on a GPU memory is what runs out first.
            activation_checkpointing=on_gpu,
            # Never cut: what is too long was left out whole (trainer/data.py).
            max_length=None,
            logging_steps=1,
            logging_nan_inf_filter=False,  # which would report a NaN as the mean of the other steps
            save_strategy='steps',
            save_steps=p.checkpointEverySteps,
            save_total_limit=None,  # older ones go once the new one is marked whole (Progress.on_save)
            dataloader_pin_memory=on_gpu,
            report_to='none',
            disable_tqdm=True,
        )
    except ValueError as error:
        raise ConfigurationError(f'hyperparameters: {error}') from None


def total_steps(p, examples):
    """Optimizer steps of the whole training: an epoch's last batch may be smaller, none is left out."""
    devices = int(os.environ.get('WORLD_SIZE', '1'))
    micro_batches = math.ceil(examples / (p.batchSize * devices))
    steps = math.ceil(p.epochs * math.ceil(micro_batches / p.gradientAccumulation))
    return min(steps, p.maximumSteps or steps)


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


def finish(job, identity, lease, trainer, tokenizer, training_set, callback):
    """Puts model/ in place whole, then result.json; then the optimizer's state may go."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not all(torch.isfinite(weight).all() for weight in model.parameters()):
        raise TrainingDiverged(f'{job.outputFolder}: a weight is no finite number after the last step')
    folder = os.path.join(job.outputFolder, 'model')
    partial = f'{folder}.partial'
    shutil.rmtree(partial, ignore_errors=True)
    model.to(served_dtype(job)).save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    # Weights come readable by their owner alone; a server may run as another user.
    for file in os.scandir(partial):
        shutil.copymode(os.path.join(partial, 'config.json'), file.path)
    files = listing(partial)
    sync_tree(partial)
    lease.check()
    shutil.rmtree(folder, ignore_errors=True)  # of a start that died between here and result.json
    os.rename(partial, folder)
    sync(job.outputFolder)
    losses = [entry['loss'] for entry in trainer.state.log_history if 'loss' in entry]
    result = {
        'schema': 1,
        'identity': identity,
        'steps': trainer.state.global_step,
        'epochs': trainer.state.epoch,
        'trainExamples': len(training_set.examples),
        'droppedTooLong': training_set.dropped_too_long,
        'finalLoss': losses[-1],
        'meanLoss': sum(losses) / len(losses),
        'tokens': callback.tokens_before + callback.tokens,
        'seconds': round(callback.seconds_before + callback.seconds, 3),
        'resumedFromSteps': callback.resumed_from,
        'versions': versions(),
        'model': {'files': files, 'sha256': sha256_of_listing(files)},
    }
    write_json(os.path.join(job.outputFolder, 'result.json'), result)
    say(lease, f'done: {result["steps"]} steps, loss {result["finalLoss"]:.4f}, {result["seconds"]} s')
    shutil.rmtree(trainer.args.output_dir, ignore_errors=True)


def served_dtype(job):
    """The base checkpoint's own: servers load the file as it is, and float32 would double their memory. It costs no
    accuracy (three iterations of the embedded judge, saved both ways, scored the same), and nothing adds up, since
    every iteration starts from the base checkpoint again."""
    return AutoConfig.from_pretrained(job.baseCheckpoint, trust_remote_code=job.trustRemoteCode).dtype or torch.float32


def sha256_of_listing(files):
    return hashlib.sha256(json.dumps(files, sort_keys=True, separators=(',', ':')).encode()).hexdigest()


def wait_for_all_ranks():
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def say(lease, line):
    if lease:
        print(f'{time.strftime("%H:%M:%S")} {line}', flush=True)
