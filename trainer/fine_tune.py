"""Fine-tuning: a thin layer over TRL that adds progress, whole checkpoints and a clean stop. What all methods share;
`sft.py` and `dpo.py` say what is theirs."""

import math
import os

import torch
from datasets import Dataset, disable_progress_bars
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from transformers.utils.logging import disable_progress_bar

from trainer import checkpoints, dpo, sft
from trainer.adapter import lora_config
from trainer.data import build_training_set
from trainer.errors import ConfigurationError, Stopped
from trainer.finish import finish
from trainer.progress import Progress, beat, say
from trainer.tracking import Trackers

METHODS = {'sft': sft, 'dpo': dpo}


def fine_tune(job, rows, lease, stop_requested):
    """Trains to the end and puts model/ and result.json in place. `lease` is None in all ranks but the first."""
    if job.threads:
        torch.set_num_threads(job.threads)
    disable_progress_bar()  # they write thousands of lines into a log
    disable_progress_bars()
    saves = os.path.join(job.outputFolder, 'checkpoints')
    tokenizer, model = load_base(job)
    beat(job, lease)
    training_set = build_training_set(rows, tokenizer, job)
    beat(job, lease)
    identity = job.identity()
    resumed = checkpoints.newest_whole(saves)
    if resumed:
        checkpoints.require_same_job(identity, resumed[1]['identity'], resumed[0])
    if lease:
        checkpoints.remove_torn(saves)

    callback = Progress(job, identity, lease, stop_requested, resumed)
    callbacks = [callback, *([Trackers(job, lease, callback.first_step)] if lease else [])]
    trainer = make_trainer(job, saves, tokenizer, model, training_set, callbacks)
    examples = f'{len(training_set.examples)} examples ({training_set.dropped_too_long} too long)'
    devices = f'{trainer.accelerator.num_processes} x {trainer.args.device.type}'
    origin = resumed[0] if resumed else job.baseCheckpoint
    say(lease, f'{job.method}: {examples}, {trainer.args.max_steps} steps on {devices}, from {origin}')
    if trainer.args.max_steps <= trainer.args.warmup_steps:
        say(lease, f'warning: all steps are within the warm-up of {trainer.args.warmup_steps}: the learning rate stays low')
    if stop_requested.is_set():
        raise Stopped(f'{job.outputFolder}: asked to stop before the first step')
    trainer.train(resume_from_checkpoint=resumed[0] if resumed else None)
    # Neither a return nor an exit code of 0 proves that training came to its end: the step does.
    if trainer.state.global_step < trainer.args.max_steps:
        raise Stopped(f'{saves}: stopped at step {trainer.state.global_step} of {trainer.args.max_steps}')
    finish(job, identity, lease, trainer, tokenizer, training_set, callback)
    trainer.accelerator.wait_for_everyone()


def load_base(job):
    """Tokenizer and model. Raises ConfigurationError where the base checkpoint can't be used."""
    options = {'trust_remote_code': job.trustRemoteCode}
    try:
        tokenizer = AutoTokenizer.from_pretrained(job.baseCheckpoint, **options)
        model = AutoModelForCausalLM.from_pretrained(
            job.baseCheckpoint, dtype=weights_dtype(job), use_safetensors=True, **options
        )
    except (OSError, ValueError) as error:
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}: {error}') from None
    if tokenizer.pad_token is None and tokenizer.eos_token is None:
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}: its tokenizer has no pad and no end token')
    return tokenizer, model


def weights_dtype(job):
    """Weights that are trained are float32 whatever the precision of the computation: with updates of a few
    millionths of a weight, half precision would round most of them away. Under an adapter the base never changes, so
    it may stay as it was saved; the adapter itself is float32."""
    frozen = job.adapter is not None and job.hyperparameters.precision != 'float32'
    return 'auto' if frozen else torch.float32


def make_trainer(job, saves, tokenizer, model, training_set, callbacks):
    """The method's own TRL trainer, ready to train."""
    method = METHODS[job.method]
    try:
        arguments = method.Arguments(
            **shared_arguments(job, saves, len(training_set.examples)), **method.own_arguments(job)
        )
        trainer = method.Trainer(
            model=method.prepared(model, job),
            args=arguments,
            train_dataset=Dataset.from_list(training_set.examples),
            processing_class=tokenizer,
            callbacks=callbacks,
            peft_config=lora_config(job),
        )
    except ValueError as error:  # a combination that TRL or PEFT refuses, such as a layer that isn't there
        raise ConfigurationError(f'hyperparameters or adapter: {error}') from None
    trainer.remove_callback(PrinterCallback)
    return trainer


def shared_arguments(job, saves, examples):
    p = job.hyperparameters
    on_gpu = torch.cuda.is_available()
    schedule, schedule_options = {
        'cosine': ('cosine_with_min_lr', {'min_lr_rate': p.finalLearningRateRatio}),
        'linear': ('polynomial', {'power': 1.0, 'lr_end': p.finalLearningRateRatio * p.learningRate}),
        'constant': ('constant_with_warmup', {}),
    }['constant' if p.finalLearningRateRatio == 1 else p.schedule]
    return {
        'output_dir': saves,
        'seed': job.seed,
        'max_steps': total_steps(p, examples),
        'per_device_train_batch_size': p.batchSize,
        'gradient_accumulation_steps': p.gradientAccumulation,
        'learning_rate': p.learningRate,
        'lr_scheduler_type': schedule,
        'lr_scheduler_kwargs': schedule_options,
        'warmup_steps': p.warmupSteps,
        'weight_decay': p.weightDecay,
        'adam_beta1': p.adamBetas[0],
        'adam_beta2': p.adamBetas[1],
        'max_grad_norm': p.maximumGradientNorm or 0.0,
        'bf16': p.precision == 'bfloat16',
        'use_cpu': not on_gpu,
        # A third more time for a fraction of the memory: on a GPU memory is what runs out first.
        'activation_checkpointing': on_gpu,
        # Never cut: what is too long was left out whole (trainer/data.py).
        'max_length': None,
        'logging_steps': 1,
        'logging_nan_inf_filter': False,  # which would report a NaN as the mean of the other steps
        'save_strategy': 'steps',
        'save_steps': p.checkpointEverySteps,
        'save_total_limit': None,  # older ones go once the new one is marked whole (Progress.on_save)
        'dataloader_pin_memory': on_gpu,
        'ddp_timeout': 4 * 3600,  # the other ranks wait while the first one writes and hashes a large model
        'report_to': 'none',  # by our own callbacks (trainer/tracking.py)
        'run_name': job.name,
        'disable_tqdm': True,
    }


def total_steps(p, examples):
    """Optimizer steps of the whole training: an epoch's last batch may be smaller, none is left out."""
    devices = int(os.environ.get('WORLD_SIZE', '1'))
    micro_batches = math.ceil(examples / (p.batchSize * devices))
    steps = math.ceil(p.epochs * math.ceil(micro_batches / p.gradientAccumulation))
    return min(steps, p.maximumSteps or steps)
