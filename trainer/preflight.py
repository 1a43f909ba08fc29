"""Checks whether a training could start: the environment, and the base checkpoint's configuration and tokenizer."""

import json
import os
import platform
import sys
import tempfile

from trainer.errors import TrainerExit
from trainer.files import is_address


def preflight(base_checkpoint, trust_remote_code, report_to):
    """Prints one JSON line `{ok, versions, device, problems}` and returns the exit code, 0 or 78. If the base
    checkpoint is None, only the environment is checked."""
    found, device, problems = {'python': platform.python_version()}, None, []
    try:
        import jsonschema  # noqa: F401  checks the job
        import trainer.fine_tune  # noqa: F401  imports everything else that a training needs
        from trainer.tracking import tracker_problems

        found, device = versions(), describe_device()
        problems = tracker_problems(report_to)
        if base_checkpoint:
            problems += checkpoint_problems(base_checkpoint, trust_remote_code)
    except ImportError as error:
        problems.append(f'{sys.executable}: {error} (install the packages of trainer/requirements.txt)')
    except TrainerExit as error:
        problems.append(str(error))
    except (OSError, ValueError) as error:
        problems.append(f'base checkpoint {base_checkpoint}: {" ".join(str(error).split())}')
    print(json.dumps({'ok': not problems, 'versions': found, 'device': device, 'problems': problems}), flush=True)
    return 78 if problems else 0


def checkpoint_problems(base_checkpoint, trust_remote_code):
    """The reasons why a checkpoint cannot be fine-tuned. Does not load its weights."""
    from transformers import AutoConfig, AutoTokenizer

    if is_address(base_checkpoint):
        from trainer.inputs import fetch_checkpoint

        with tempfile.TemporaryDirectory() as folder:
            names = fetch_checkpoint(base_checkpoint, folder, is_wanted=lambda name: not is_weights(name))
            for name in filter(is_weights, names):
                open(os.path.join(folder, os.path.basename(name)), 'w').close()  # only the name is looked at
            return [text.replace(folder, base_checkpoint) for text in checkpoint_problems(folder, trust_remote_code)]
    if os.path.isabs(base_checkpoint) and not os.path.isdir(base_checkpoint):
        return [f'base checkpoint {base_checkpoint}: no such folder']
    problems = []
    if os.path.isdir(base_checkpoint) and not any(n.endswith('.safetensors') for n in os.listdir(base_checkpoint)):
        problems.append('it has no weights in safetensors format')
    AutoConfig.from_pretrained(base_checkpoint, trust_remote_code=trust_remote_code)
    tokenizer = AutoTokenizer.from_pretrained(base_checkpoint, trust_remote_code=trust_remote_code)
    if not tokenizer.chat_template:
        problems.append('its tokenizer has no chat template')
    elif not has_end_of_answer(tokenizer):
        problems.append('its chat template writes no end token after an answer, so the judge would never learn to stop')
    return [f'base checkpoint {base_checkpoint}: {problem}' for problem in problems]


def is_weights(name):
    return name.endswith(('.safetensors', '.bin', '.pt', '.pth'))


def has_end_of_answer(tokenizer):
    """Whether the chat template writes a special token after the answer. It is not always `eos_token`."""
    from trainer.data import IGNORED, tokenize

    row = {'prompt': [{'role': 'user', 'content': 'A'}], 'completion': [{'role': 'assistant', 'content': 'B'}]}
    trained = [label for label in tokenize(row, tokenizer)['labels'] if label != IGNORED]
    return any(token in tokenizer.all_special_ids or token in tokenizer.added_tokens_decoder for token in trained)


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
