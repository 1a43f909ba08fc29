"""Supervised fine-tuning by TRL's SFTTrainer: cross entropy of the completion's tokens, the mean over all of a step."""

from trl.trainer.sft_config import SFTConfig as Arguments
from trl.trainer.sft_trainer import SFTTrainer

__all__ = ['Arguments', 'Trainer', 'own_arguments', 'prepared']


class Trainer(SFTTrainer):
    def create_model_card(self, *_, **__):
        """A checkpoint is for going on, not for publishing."""


def own_arguments(_job):
    return {}


def prepared(model, _job):
    return model
