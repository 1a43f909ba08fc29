"""Direct preference optimization by TRL's DPOTrainer, plus the negative log-likelihood (NLL) of the chosen completion.

    -log sigmoid(beta * (chosen's log-ratio - rejected's log-ratio)) + nllWeight * NLL of the chosen one per token

A log-ratio is log p(completion) under the model minus log p(completion) under the reference, each summed over the
tokens of the completion. The first term is the mean over the pairs of a forward pass, the second the mean over the
tokens of its chosen completions (Iterative Reasoning Preference Optimization, arXiv 2404.19733, section 2; Self-Taught
Evaluators' released code). The reference is the checkpoint that the training starts from: it is loaded a second time,
or with LoRA the same weights are used without the adapter.
"""

from trl.trainer.dpo_config import DPOConfig as Arguments
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.utils import disable_dropout_in_model

__all__ = ['Arguments', 'Trainer', 'method_arguments', 'prepare_model', 'trainer_arguments']


class Trainer(DPOTrainer):
    def create_model_card(self, *_, **__):
        """Writes no model card: a checkpoint exists to resume from, not to be published."""


def method_arguments(job):
    p = job.hyperparameters
    terms = {'sigmoid': 1.0, **({'sft': p.nllWeight} if p.nllWeight else {})}
    return {
        'max_length': None,  # examples that are too long have been dropped (trainer/data.py)
        'beta': p.beta,
        'loss_type': list(terms),
        'loss_weights': list(terms.values()),
        'trust_remote_code': job.trustRemoteCode,  # for the reference, which TRL loads
        'disable_dropout': False,  # TRL would disable the adapter's dropout too
    }


def trainer_arguments(_job):
    return {}


def prepare_model(model, _job):
    """Disables the dropout of the base: the loss compares its log-probabilities with those of the reference."""
    disable_dropout_in_model(model)
    return model
