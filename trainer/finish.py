"""The end of a training: writes model/, then result.json. A training is done only when result.json exists."""

import contextlib
import copy
import hashlib
import json
import os
import shutil

import torch
from transformers import AutoConfig

from trainer.adapter import load_adapted
from trainer.canary import record_canary
from trainer.errors import TrainingDiverged
from trainer.files import files_below, listing, remove_file, sync, sync_tree, write_json
from trainer.preflight import describe_device, versions
from trainer.progress import log


def finish(job, identity, lease, trainer, tokenizer, rows, training_set, callback):
    """Writes model/ and then result.json, and removes the checkpoints. Every rank must call it."""
    result = write_judge(job.outputFolder, job, identity, lease, trainer, tokenizer, rows, training_set, callback)
    if result is None:
        return
    if job.mirror:
        job.mirror.publish()
    log(lease, f'done: {result["steps"]} steps, loss {result["finalLoss"]:.4f}, {result["seconds"]} s')
    shutil.rmtree(trainer.args.output_dir, ignore_errors=True)
    if job.mirror:
        job.mirror.remove_checkpoints()


def write_judge(parent, job, identity, lease, trainer, tokenizer, rows, training_set, callback):
    """Writes the model as it is now to `parent`/model, and then `parent`/result.json. Returns the result. Every rank must
    call it, because each may hold a part of the weights; only the first rank, which holds the lease, writes."""
    weights = trainer.accelerator.get_state_dict(trainer.model)
    if lease is None:
        return None
    callback.touch_heartbeat()
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not all(torch.isfinite(weight).all() for weight in weights.values()):
        raise TrainingDiverged(f'{job.outputFolder}: a weight is not a finite number after step {trainer.state.global_step}')
    os.makedirs(parent, exist_ok=True)
    result_file = os.path.join(parent, 'result.json')
    remove_file(result_file)  # of a start that died after it: it must not describe another model
    saved = {}
    if job.lora is None:
        files = publish_folder(parent, lease, 'model', lambda folder: save_model(job, model, weights, tokenizer, folder))
    else:
        model.peft_config['default'].base_model_name_or_path = job.named(job.baseCheckpoint)
        adapter_files = publish_folder(
            parent, lease, 'adapter', lambda folder: model.save_pretrained(folder, state_dict=weights)
        )
        adapter = os.path.join(parent, 'adapter')
        adapted = load_adapted(job, adapter)
        if job.lora.saveAdapter:
            # With FSDP each rank has a part of the trained model only.
            whole = adapted if trainer.is_fsdp_enabled else model
            saved = {
                'adapter': {'files': adapter_files, 'sha256': sha256_of_listing(adapter_files)},
                **canary_of(whole, rows, tokenizer, lease, callback),
            }
        # The sum is computed in float32 and rounded once.
        full = adapted.merge_and_unload().to(served_dtype(job))
        callback.touch_heartbeat()
        files = publish_folder(
            parent, lease, 'model', lambda folder: save_model(job, full, full.state_dict(), tokenizer, folder)
        )
        if not job.lora.saveAdapter:
            shutil.rmtree(adapter)
    callback.touch_heartbeat()
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
        'versions': {**versions(), 'device': describe_device()},
        'model': {'files': files, 'sha256': sha256_of_listing(files)},
        **saved,
    }
    write_json(result_file, result)
    return result


def canary_of(model, rows, tokenizer, lease, callback):
    """Empty if there is none: a model that was trained for days is not lost because it can't be asked here."""
    try:
        return {'canary': record_canary(model, rows, tokenizer, callback.touch_heartbeat)}
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError, NotImplementedError) as error:
        log(lease, f'warning: the answers of the adapter are not recorded: {type(error).__name__}: {error}')
        return {}


def save_model(job, model, weights, tokenizer, folder):
    """Writes the files that a server loads: weights, configuration and tokenizer."""
    dtype = served_dtype(job)
    model.save_pretrained(folder, state_dict=convert_weights(weights, dtype))
    # The training has changed the configuration (float32, no cache); a server needs the settings of the base, and a
    # training that goes on its own.
    config = copy.deepcopy(model.config)
    config.dtype = dtype
    config.use_cache = getattr(base_config(job), 'use_cache', True)
    config.save_pretrained(folder)
    for name in ('is_local', 'local_files_only'):  # how it was loaded is no part of the model, nor of its sha256
        tokenizer.init_kwargs.pop(name, None)
    tokenizer.save_pretrained(folder)


def convert_weights(weights, dtype):
    """Converts the weights to `dtype`. Weights that share memory (tied embeddings) still share it afterwards."""
    converted = {}
    for weight in weights.values():
        converted.setdefault(memory_of(weight), weight.to(dtype) if weight.is_floating_point() else weight)
    return {name: converted[memory_of(weight)] for name, weight in weights.items()}


def memory_of(weight):
    return weight.data_ptr(), weight.shape


def publish_folder(parent, lease, name, save):
    """Writes a folder under a temporary name, flushes it to the disk and renames it. Returns the list of its files."""
    folder = os.path.join(parent, name)
    partial = f'{folder}.partial'
    shutil.rmtree(partial, ignore_errors=True)
    save(partial)
    # Weights are saved readable by their owner only, but a server may run as another user.
    readable = next(file.path for file in os.scandir(partial) if file.name.endswith('config.json'))
    for path in files_below(partial).values():
        with contextlib.suppress(OSError):  # a file system without modes
            shutil.copymode(readable, path)
    files = listing(partial)
    sync_tree(partial)
    lease.check()
    shutil.rmtree(folder, ignore_errors=True)  # left by a start that died before it wrote result.json
    os.rename(partial, folder)
    sync(parent)
    return files


def served_dtype(job):
    """The type of the base checkpoint: servers load the weights as they are saved, and float32 would double their
    memory. The accuracy is the same (measured on three iterations of the embedded judge from the seed model, saved in
    both types). If each iteration starts from the one before, the base is rounded once in each iteration."""
    return base_config(job).dtype or torch.float32


def base_config(job):
    return AutoConfig.from_pretrained(job.baseCheckpoint, trust_remote_code=job.trustRemoteCode)


def sha256_of_listing(files):
    return hashlib.sha256(json.dumps(files, sort_keys=True, separators=(',', ':')).encode()).hexdigest()
