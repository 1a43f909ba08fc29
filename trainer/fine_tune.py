"""Fine-tuning: a thin layer over TRL that adds progress reports, complete checkpoints and a clean stop.

This module has what all methods share; `sft.py`, `dpo.py` and `grpo.py` have what differs between them.
"""

import math
import os

import torch
from datasets import Dataset, disable_progress_bars
from transformers import AutoModelForCausalLM, PrinterCallback, TrainingArguments
from transformers.utils.logging import disable_progress_bar

from trainer import checkpoints, dpo, grpo, sft
from trainer.adapter import adapter_problem, lora_config, require_mergeable
from trainer.candidates import candidates_of
from trainer.conversations import load_tokenizer
from trainer.data import build_training_set
from trainer.errors import ConfigurationError, DataError, Stopped
from trainer.finish import finish
from trainer.progress import Progress, log, touch_heartbeat
from trainer.tracking import Trackers

METHODS = {'sft': sft, 'dpo': dpo, 'grpo': grpo}
# The environment with vLLM has an older transformers, which has the older name.
CHECKPOINTING = next(
    name for name in ('activation_checkpointing', 'gradient_checkpointing') if name in TrainingArguments.__dataclass_fields__
)


def fine_tune(job, rows, lease, stop_requested):
    """Trains to the end and writes model/ and result.json. `lease` is None in all ranks except the first."""
    if job.threads:
        torch.set_num_threads(job.threads)
    disable_progress_bar()  # progress bars write thousands of lines into the log
    disable_progress_bars()
    output_dir = os.path.join(job.outputFolder, 'checkpoints')
    tokenizer, model = load_base(job)
    require_mergeable(job, model)
    touch_heartbeat(job, lease)
    training_set = build_training_set(rows, tokenizer, job, model.get_input_embeddings().weight.shape[0])
    touch_heartbeat(job, lease)
    identity = job.identity()
    trainer = make_trainer(job, output_dir, tokenizer, model, training_set)
    resumed = checkpoint_to_resume(job, output_dir, lease, trainer.args.device)
    if resumed:
        checkpoints.require_same_job(identity, resumed[1]['identity'], resumed[0])
    if lease:
        checkpoints.remove_incomplete(output_dir)

    callback = Progress(job, identity, lease, stop_requested, resumed)
    trackers = [Trackers(job, lease, callback.first_step)] if lease else []
    candidates = candidates_of(job, identity, lease, trainer, tokenizer, rows, training_set, callback)
    for each in [callback, *trackers, *candidates]:
        trainer.add_callback(each)
    examples = f'{len(training_set.examples)} examples ({training_set.dropped_too_long} too long)'
    devices = f'{trainer.accelerator.num_processes} x {trainer.args.device.type}'
    origin = resumed[0] if resumed else job.baseCheckpoint
    log(lease, f'{job.method}: {examples}, {trainer.args.max_steps} steps on {devices}, from {job.named(origin)}')
    if trainer.args.max_steps <= trainer.args.warmup_steps:
        warmup = trainer.args.warmup_steps
        log(lease, f'warning: all steps are within the {warmup} warm-up steps, so the learning rate stays low')
    if stop_requested.is_set():
        raise Stopped(f'{job.outputFolder}: stopped before the first step')
    trainer.train(resume_from_checkpoint=resumed[0] if resumed else None)
    # Only the last step proves that the training is done; `train` returns after a stop too.
    if trainer.state.global_step < trainer.args.max_steps:
        raise Stopped(f'{output_dir}: stopped at step {trainer.state.global_step} of {trainer.args.max_steps}')
    finish(job, identity, lease, trainer, tokenizer, rows, training_set, callback)
    trainer.accelerator.wait_for_everyone()


def checkpoint_to_resume(job, output_dir, lease, device):
    """`(folder, facts)`, or None to train from the start. The first rank verifies the checkpoints and tells the others
    from which step all resume."""
    step = -1
    if lease:

        def on_damage(folder, reason):
            log(lease, f'warning: {folder} is damaged, so it is removed and the one before is used: {reason}')
            checkpoints.record_damage(job.outputFolder, folder, reason)

        intact = checkpoints.newest_intact(output_dir, lambda: touch_heartbeat(job, lease), on_damage)
        step = intact[1]['step'] if intact else -1
    if torch.distributed.is_initialized():
        chosen = torch.tensor(step, device=device)
        torch.distributed.broadcast(chosen, src=0)
        step = int(chosen.item())
    return checkpoints.complete_at(output_dir, step)


def load_base(job):
    """Returns tokenizer and model. Raises ConfigurationError if the base checkpoint is unusable."""
    options = {'trust_remote_code': job.trustRemoteCode}
    problem = adapter_problem(job.baseCheckpoint)
    if problem:
        raise ConfigurationError(problem)
    try:
        tokenizer = load_tokenizer(job.baseCheckpoint, job.trustRemoteCode)
        model = AutoModelForCausalLM.from_pretrained(
            job.baseCheckpoint, dtype=weights_dtype(job), use_safetensors=True, **options
        )
    except (OSError, ValueError) as error:
        if getattr(error, 'errno', None):
            raise  # the machine refused something; transformers' own errors have no number
        raise ConfigurationError(f'base checkpoint {job.baseCheckpoint}: {error}') from None
    return tokenizer, model


def weights_dtype(job):
    """Trained weights are float32, whatever the precision of the computation: an update changes a weight by a few
    millionths, which half precision would mostly round away. With an adapter the base does not change, so it keeps the
    type that it was saved in; the adapter itself is float32."""
    frozen = job.lora is not None and job.hyperparameters.precision != 'float32'
    return 'auto' if frozen else torch.float32


def make_trainer(job, output_dir, tokenizer, model, training_set):
    """Returns the TRL trainer of the method, ready to train."""
    method = METHODS[job.method]
    try:
        arguments = method.Arguments(
            **shared_arguments(job, output_dir, len(training_set.examples)), **method.method_arguments(job)
        )
        trainer = method.Trainer(
            model=method.prepare_model(model, job),
            args=arguments,
            train_dataset=Dataset.from_list(training_set.examples),
            processing_class=tokenizer,
            peft_config=lora_config(job),
            **method.trainer_arguments(job),
        )
    except ValueError as error:  # TRL or PEFT refuses the settings, for example a layer that does not exist
        raise ConfigurationError(f'hyperparameters or adapter: {error}') from None
    trainer.remove_callback(PrinterCallback)
    return trainer


def shared_arguments(job, output_dir, examples):
    p = job.hyperparameters
    on_gpu = torch.cuda.is_available()
    lr_scheduler_type, lr_scheduler_kwargs = {
        'cosine': ('cosine_with_min_lr', {'min_lr_rate': p.minLrRatio}),
        'linear': ('polynomial', {'power': 1.0, 'lr_end': p.minLrRatio * p.learningRate}),
        'constant': ('constant_with_warmup', {}),
    }['constant' if p.minLrRatio == 1 else p.lrScheduler]
    return {
        'output_dir': output_dir,
        'seed': job.seed,
        'max_steps': total_steps(p, examples),
        'per_device_train_batch_size': p.perDeviceBatchSize,
        'gradient_accumulation_steps': p.gradientAccumulationSteps,
        'learning_rate': p.learningRate,
        'lr_scheduler_type': lr_scheduler_type,
        'lr_scheduler_kwargs': lr_scheduler_kwargs,
        'warmup_steps': p.warmupSteps,
        'weight_decay': p.weightDecay,
        'adam_beta1': p.adamBetas[0],
        'adam_beta2': p.adamBetas[1],
        'max_grad_norm': p.maxGradNorm or 0.0,
        'bf16': p.precision == 'bfloat16',
        'use_cpu': not on_gpu,
        # Takes a third more time and a fraction of the memory, which is the scarcer resource on a GPU.
        CHECKPOINTING: on_gpu,
        'logging_steps': 1,
        'logging_nan_inf_filter': False,  # the filter would report the mean of the other steps instead of a NaN
        'save_strategy': 'steps',
        'save_steps': p.saveSteps,
        'save_total_limit': None,  # Progress.on_save removes older checkpoints after it has marked the new one complete
        'dataloader_pin_memory': on_gpu,
        'ddp_timeout': 4 * 3600,  # seconds that other ranks wait while the first one writes and hashes a large model
        'report_to': 'none',  # Trackers reports instead (trainer/tracking.py)
        'run_name': job.name,
        'disable_tqdm': True,
    }


def total_steps(p, examples):
    """Optimizer steps of the full training. The last batch of an epoch may be smaller; it is not dropped, except by GRPO,
    whose batches consist of judgments. Raises DataError if none is complete."""
    devices = int(os.environ.get('WORLD_SIZE', '1'))
    if hasattr(p, 'numGenerations'):
        judgments, batch = examples * p.numGenerations, p.perDeviceBatchSize * p.gradientAccumulationSteps * devices
        if judgments < batch:
            raise DataError(f'{examples} prompts have {judgments} judgments, fewer than a step takes ({batch})')
        return min(math.ceil(p.epochs * (judgments // batch)), p.maxSteps or math.inf)
    micro_batches = math.ceil(examples / (p.perDeviceBatchSize * devices))
    steps_in_epoch = math.ceil(micro_batches / p.gradientAccumulationSteps)
    max_steps = math.ceil(p.epochs * steps_in_epoch)
    return min(max_steps, p.maxSteps or max_steps)
