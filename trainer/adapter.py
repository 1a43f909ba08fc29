"""LoRA by PEFT: a few trained matrices beside frozen weights, merged into full weights at the end."""

import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM


def lora_config(job):
    """None where all weights are trained."""
    if job.adapter is None:
        return None
    modules = job.adapter.targetModules
    return LoraConfig(
        task_type='CAUSAL_LM',
        r=job.adapter.rank,
        lora_alpha=job.adapter.alpha,
        lora_dropout=job.adapter.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
    )


def merged(job, adapter_folder, dtype):
    """Full weights in `dtype`: the base checkpoint with the saved adapter added. The sum is rounded to `dtype` once."""
    base = AutoModelForCausalLM.from_pretrained(
        job.baseCheckpoint, dtype=torch.float32, use_safetensors=True, trust_remote_code=job.trustRemoteCode
    )
    return PeftModel.from_pretrained(base, adapter_folder).merge_and_unload().to(dtype)
