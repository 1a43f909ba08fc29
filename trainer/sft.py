"""Supervised fine-tuning by TRL's SFTTrainer: the cross entropy of the completions, the mean over a step's tokens."""

from trl.trainer.sft_config import SFTConfig as Arguments
from trl.trainer.sft_trainer import SFTTrainer

__all__ = ['Arguments', 'Trainer', 'method_arguments', 'prepare_model', 'trainer_arguments']


class Trainer(SFTTrainer):
    def create_model_card(self, *_, **__):
        """Writes no model card: a checkpoint exists to resume from, not to be published."""


def method_arguments(_job):
    # Nothing is truncated: examples that are too long have been dropped (trainer/data.py).
    return {'max_length': None}


def trainer_arguments(_job):
    return {}


def prepare_model(model, _job):
    return model
