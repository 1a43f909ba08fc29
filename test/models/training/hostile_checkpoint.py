"""Tries what the trainer tries with a checkpoint folder: the check before a run, then loading. Prints a JSON line each."""

import json
import sys
from types import SimpleNamespace

from trainer.errors import TrainerExit
from trainer.fine_tune import load_base
from trainer.preflight import checkpoint_problems

RUN = {'conversations': [], 'adapter': {'kind': 'none'}}
for folder in sys.argv[1:]:
    said = []
    try:
        said += checkpoint_problems(folder, False, RUN)
        load_base(SimpleNamespace(baseCheckpoint=folder, trustRemoteCode=False, lora=None))
    except (OSError, ValueError, TrainerExit) as error:
        said.append(str(error))
    print(json.dumps(said))
