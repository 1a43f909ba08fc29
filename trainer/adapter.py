"""LoRA by PEFT: trains small matrices beside frozen weights, and merges them into the weights at the end."""

import os

import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM

from trainer.errors import ConfigurationError
from trainer.files import read_json


def lora_config(job):
    """The adapter's configuration for PEFT; None if all weights are trained."""
    lora = job.lora
    if lora is None:
        return None
    return LoraConfig(
        task_type='CAUSAL_LM',
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targetModules,
    )


def require_mergeable(job, model):
    """Raises ConfigurationError if the adapter could not be merged into the checkpoint."""
    problem = tied_problem(model, job.lora.targetModules) if job.lora else None
    if problem:
        raise ConfigurationError(problem)


def tied_problem(model, target_modules):
    """Why an adapter on these modules can't be merged into a model; None if it can. Embedding and output layer of many
    models are one matrix: a change of one that is merged into it changes the other, for which it was not trained."""
    embedding, output = model.get_input_embeddings(), model.get_output_embeddings()
    is_tied = getattr(model.config.get_text_config(), 'tie_word_embeddings', False)
    if target_modules == 'all-linear' or output is None or not (is_tied or output.weight is embedding.weight):
        return None  # `all-linear` leaves out the output layer
    names = [name for name, module in model.named_modules() if module is embedding or module is output]
    targets = [target for target in target_modules if any(f'.{name}'.endswith(f'.{target}') for name in names)]
    if not targets:
        return None
    return (
        f'fineTuning.adapter.targetModules has {" and ".join(targets)}, but {" and ".join(names)} of this checkpoint share their '
        f'weights (tie_word_embeddings), so an adapter on one would change the other once it is merged: leave {" and ".join(targets)} out'
    )


def adapter_problem(folder):
    """Why a base checkpoint can't be this folder if it holds an adapter; None if it doesn't. transformers would load another
    model, from wherever the adapter says, and the adapter on it."""
    found = read_json(os.path.join(folder, 'adapter_config.json'))
    if found is None:
        return None
    base = found.get('base_model_name_or_path') if isinstance(found, dict) else None
    return f'base checkpoint {folder}: it is an adapter of {base}: merge it into that model first'


def load_adapted(job, adapter_folder):
    """The base checkpoint with the saved adapter beside it, in float32, on the processor."""
    base = AutoModelForCausalLM.from_pretrained(
        job.baseCheckpoint, dtype=torch.float32, use_safetensors=True, trust_remote_code=job.trustRemoteCode
    )
    return PeftModel.from_pretrained(base, adapter_folder)
