"""LoRA by PEFT: trains small matrices beside frozen weights, and merges them into the weights at the end."""

import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM


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


def merge_adapter(job, adapter_folder, dtype):
    """The base checkpoint with the saved adapter added. The sum is computed in float32 and rounded to `dtype` once."""
    base = AutoModelForCausalLM.from_pretrained(
        job.baseCheckpoint, dtype=torch.float32, use_safetensors=True, trust_remote_code=job.trustRemoteCode
    )
    return PeftModel.from_pretrained(base, adapter_folder).merge_and_unload().to(dtype)
