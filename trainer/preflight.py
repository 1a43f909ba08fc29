"""Checks whether a training could start: the environment, and the base checkpoint's configuration and tokenizer."""

import json
import os
import platform
import sys
import tempfile

from trainer.environment import quick_imports
from trainer.errors import ConfigurationError, TrainerExit
from trainer.files import is_address


def preflight(base_checkpoint, trust_remote_code, report_to, run, with_vllm):
    """Prints one JSON line `{ok, versions, device, problems}` and returns the exit code, 0 or 78. If the base
    checkpoint is None, only the environment is checked. `versions` has the packages if they can be imported.
    @param run: what of a run is checked with the checkpoint, {conversations, adapter} (trainer/__main__.py)"""
    found, device, problems = {'python': platform.python_version()}, None, []
    try:
        with quick_imports():
            import jsonschema  # noqa: F401  checks the job
            import trainer.fine_tune  # noqa: F401  imports everything else that a training needs
            from trainer.tracking import tracker_problems

        found, device = versions(), describe_device()
        problems = tracker_problems(report_to)
        if with_vllm:
            from trainer.rollouts import vllm_problem

            problems += filter(None, [vllm_problem()])
        if base_checkpoint:
            problems += checkpoint_problems(base_checkpoint, trust_remote_code, run)
    except ImportError as error:
        problems.append(f'{sys.executable}: {error} (install the packages of trainer/requirements.txt)')
    except TrainerExit as error:
        problems.append(str(error))
    except (OSError, ValueError) as error:
        problems.append(f'base checkpoint {base_checkpoint}: {" ".join(str(error).split())}')
    print(json.dumps({'ok': not problems, 'versions': found, 'device': device, 'problems': problems}), flush=True)
    return 78 if problems else 0


def checkpoint_problems(base_checkpoint, trust_remote_code, run):
    """The reasons why a checkpoint cannot be fine-tuned. Does not load its weights."""
    from transformers import AutoConfig

    from trainer.adapter import adapter_problem
    from trainer.conversations import conversation_problem, load_tokenizer, tokenizer_problem

    if is_address(base_checkpoint):
        from trainer.inputs import fetch_checkpoint

        with tempfile.TemporaryDirectory() as folder:
            names = fetch_checkpoint(base_checkpoint, folder, is_wanted=lambda name: not is_weights(name))
            for name in filter(is_weights, names):
                open(os.path.join(folder, os.path.basename(name)), 'w').close()  # only the name is looked at
            problems = checkpoint_problems(folder, trust_remote_code, run)
            return [text.replace(folder, base_checkpoint) for text in problems]
    if os.path.isabs(base_checkpoint) and not os.path.isdir(base_checkpoint):
        return [f'base checkpoint {base_checkpoint}: no such folder']
    subject, problems = f'base checkpoint {base_checkpoint}', []
    if os.path.isdir(base_checkpoint) and not any(n.endswith('.safetensors') for n in os.listdir(base_checkpoint)):
        problems.append(f'{subject}: it has no weights in safetensors format')
    problem = adapter_problem(base_checkpoint)
    if problem:
        return [*problems, problem]
    configuration = AutoConfig.from_pretrained(base_checkpoint, trust_remote_code=trust_remote_code)
    rows = getattr(configuration.get_text_config(), 'vocab_size', None)
    problem = tied_adapter_problem(configuration, trust_remote_code, run['adapter'])
    if problem:
        problems.append(problem)
    try:
        tokenizer = load_tokenizer(base_checkpoint, trust_remote_code)
    except ConfigurationError as error:
        return [*problems, str(error)]
    # The least that every chat template must be able to render.
    prompt, answer = [{'role': 'user', 'content': 'A'}], [{'role': 'assistant', 'content': 'B'}]
    problem = tokenizer_problem(tokenizer, rows) or conversation_problem(prompt, answer, tokenizer, rows)
    if problem:
        return [*problems, f'{subject}: {problem}']
    fields = {}  # of the prompts that have a problem, by problem
    for each in run['conversations']:
        problem = conversation_problem(each['prompt'], each['completion'], tokenizer, rows)
        if problem:
            fields.setdefault(problem, {})[each['field']] = True
    return [*problems, *(f'{subject}, with the prompt of {", ".join(names)}: {text}' for text, names in fields.items())]


def tied_adapter_problem(configuration, trust_remote_code, adapter):
    """Why an adapter can't be merged into a checkpoint of this configuration; None if it can."""
    import torch
    from transformers import AutoModelForCausalLM

    from trainer.adapter import tied_problem

    if adapter['kind'] != 'lora' or adapter['targetModules'] == 'all-linear':
        return None
    with torch.device('meta'):
        model = AutoModelForCausalLM.from_config(configuration, trust_remote_code=trust_remote_code)
    return tied_problem(model, adapter['targetModules'])


def is_weights(name):
    return name.endswith(('.safetensors', '.bin', '.pt', '.pth'))


def describe_device():
    """The devices of this machine, for example `8 x NVIDIA H200` or `cpu (2 threads)`."""
    import torch

    if torch.cuda.is_available():
        return f'{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}'
    return f'cpu ({torch.get_num_threads()} threads)'


def versions():
    import peft
    import torch
    import transformers
    import trl

    return {
        'torch': torch.__version__,
        'transformers': transformers.__version__,
        'trl': trl.__version__,
        'peft': peft.__version__,
        'python': platform.python_version(),
    }
