"""Direct preference optimisation by TRL's DPOTrainer, with the NLL of the chosen completion beside it.

    -log sigmoid(beta * (chosen's log-ratio - rejected's log-ratio)) + nllWeight * NLL of the chosen one per token

A log-ratio is log p(completion) under the model less that under the reference, each summed over the completion's
tokens; the first term is the mean over the pairs of a forward pass, the second over its chosen tokens (Iterative
Reasoning Preference Optimization, arXiv 2404.19733, section 2; Self-Taught Evaluators' released code). The reference
is the checkpoint that the training starts from: loaded a second time, or the same weights without the adapter.
"""

from trl.trainer.dpo_config import DPOConfig as Arguments
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.utils import disable_dropout_in_model

__all__ = ['Arguments', 'Trainer', 'own_arguments', 'prepared']


class Trainer(DPOTrainer):
    def create_model_card(self, *_, **__):
        """A checkpoint is for going on, not for publishing."""


def own_arguments(job):
    p = job.hyperparameters
    terms = {'sigmoid': 1.0, **({'sft': p.nllWeight} if p.nllWeight else {})}
    return {
        'beta': p.beta,
        'loss_type': list(terms),
        'loss_weights': list(terms.values()),
        'trust_remote_code': job.trustRemoteCode,  # of the reference, which TRL loads
        'disable_dropout': False,  # TRL's switch would turn the adapter's off too
    }


def prepared(model, _job):
    """The base without dropout: the loss compares its pass with the reference's."""
    disable_dropout_in_model(model)
    return model
