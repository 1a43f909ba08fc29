"""vLLM in the trainer's process, which samples the judgments of GRPO on a GPU."""

import importlib.util
import os
import sys

import torch

from trainer.errors import ConfigurationError


def vllm_problem():
    """Why this process can't sample by vLLM; None if it can, as far as that is known without loading a model."""
    if importlib.util.find_spec('vllm') is None:
        return f'{sys.executable} has no vLLM (install the packages of trainer/vllm-requirements.txt)'
    if not torch.cuda.is_available():
        return 'vLLM in the trainer needs an NVIDIA GPU, and PyTorch sees none'
    return None


def vllm_arguments(p):
    """TRL's arguments for hyperparameters with `rollouts`. Raises ConfigurationError if vLLM can't sample here."""
    if p.rollouts != 'vllm':
        return {}
    problem = vllm_problem()
    if problem:
        raise ConfigurationError(f'hyperparameters.rollouts is "vllm": {problem}')
    os.environ['VLLM_NO_USAGE_STATS'] = '1'  # vLLM would tell its authors about the machine and the model
    return {
        'use_vllm': True,
        'vllm_mode': 'colocate',
        'vllm_gpu_memory_utilization': p.vllmMemory,
        'vllm_tensor_parallel_size': p.vllmTensorParallel,
        'vllm_max_model_length': p.maxLength,
    }
