"""The end of a training: model/ put in place whole, then result.json, which alone means done."""

import hashlib
import json
import os
import shutil

import torch
from transformers import AutoConfig

from trainer.adapter import merged
from trainer.errors import TrainingDiverged
from trainer.files import listing, sync, sync_tree, write_json
from trainer.preflight import describe_device, versions
from trainer.progress import say


def finish(job, identity, lease, trainer, tokenizer, training_set, callback):
    """Puts model/ in place whole, then result.json; then the optimizer's state may go. Every rank calls it, because
    each may hold a part of the weights; the first one, which has the lease, writes."""
    weights = trainer.accelerator.get_state_dict(trainer.model)
    if lease is None:
        return
    callback.beat()
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not all(torch.isfinite(weight).all() for weight in weights.values()):
        raise TrainingDiverged(f'{job.outputFolder}: a weight is no finite number after the last step')
    if job.adapter is None:
        files = put_in_place(job, lease, 'model', lambda folder: save_model(job, model, weights, tokenizer, folder))
    else:
        put_in_place(job, lease, 'adapter', lambda folder: model.save_pretrained(folder, state_dict=weights))
        adapter = os.path.join(job.outputFolder, 'adapter')
        full = merged(job, adapter, served_dtype(job))
        callback.beat()
        files = put_in_place(
            job, lease, 'model', lambda folder: save_model(job, full, full.state_dict(), tokenizer, folder)
        )
        if not job.adapter.keep:
            shutil.rmtree(adapter)
    callback.beat()
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
    }
    write_json(os.path.join(job.outputFolder, 'result.json'), result)
    say(lease, f'done: {result["steps"]} steps, loss {result["finalLoss"]:.4f}, {result["seconds"]} s')
    shutil.rmtree(trainer.args.output_dir, ignore_errors=True)


def save_model(job, model, weights, tokenizer, folder):
    """Writes what a server loads: weights, configuration and tokenizer."""
    dtype = served_dtype(job)
    model.save_pretrained(folder, state_dict=converted(weights, dtype))
    # It has noted how it was trained, and whoever loads it would do the same: in that type, and without the cache.
    model.config.dtype = dtype
    model.config.use_cache = getattr(base_config(job), 'use_cache', True)
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def converted(weights, dtype):
    """The weights in `dtype`; those that were one and the same before (tied embeddings) are after."""
    made = {}
    for weight in weights.values():
        made.setdefault(place(weight), weight.to(dtype) if weight.is_floating_point() else weight)
    return {name: made[place(weight)] for name, weight in weights.items()}


def place(weight):
    return weight.data_ptr(), weight.shape


def put_in_place(job, lease, name, save):
    """Writes a folder under another name, flushes it and renames it. Returns the listing of its files."""
    folder = os.path.join(job.outputFolder, name)
    partial = f'{folder}.partial'
    shutil.rmtree(partial, ignore_errors=True)
    save(partial)
    # Weights come readable by their owner alone; a server may run as another user.
    readable = next(file.path for file in os.scandir(partial) if file.name.endswith('config.json'))
    for file in os.scandir(partial):
        shutil.copymode(readable, file.path)
    files = listing(partial)
    sync_tree(partial)
    lease.check()
    shutil.rmtree(folder, ignore_errors=True)  # of a start that died between here and result.json
    os.rename(partial, folder)
    sync(job.outputFolder)
    return files


def served_dtype(job):
    """The base checkpoint's own: servers load the file as it is, and float32 would double their memory. It costs no
    accuracy (three iterations of the embedded judge from the seed model, saved both ways, scored the same). Where each
    iteration starts from the one before, the base is rounded once an iteration."""
    return base_config(job).dtype or torch.float32


def base_config(job):
    return AutoConfig.from_pretrained(job.baseCheckpoint, trust_remote_code=job.trustRemoteCode)


def sha256_of_listing(files):
    return hashlib.sha256(json.dumps(files, sort_keys=True, separators=(',', ':')).encode()).hexdigest()
