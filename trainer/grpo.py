"""Group relative policy optimization by TRL's GRPOTrainer: the judge samples several judgments of each prompt, and those
whose reward is above the mean of their prompt become more likely (DeepSeekMath, arXiv 2402.03300, section 4.1; for judges
J1, arXiv 2505.10320).

A row has the right verdict, and the reward is computed from that of a judgment (trainer/rewards.py). The two orders of a
pair follow each other in the training set and in each generation batch of a process, so that a reward can compare them.
With beta above 0 the reference is the checkpoint that the training starts from, as for DPO.
"""

from trl.trainer.grpo_config import GRPOConfig as Arguments
from trl.trainer.grpo_trainer import GRPOTrainer

from trainer.rewards import reward_function
from trainer.rollouts import vllm_arguments

__all__ = ['Arguments', 'Trainer', 'method_arguments', 'prepare_model', 'trainer_arguments']


class Trainer(GRPOTrainer):
    def create_model_card(self, *_, **__):
        """Writes no model card: a checkpoint exists to resume from, not to be published."""


def method_arguments(job):
    p = job.hyperparameters
    return {
        'num_generations': p.numGenerations,
        'max_completion_length': p.maxCompletionLength,
        'temperature': p.temperature,
        'top_p': p.topP,
        'beta': p.beta,
        'epsilon': p.epsilon,
        'loss_type': p.lossType,
        'scale_rewards': p.scaleRewards,
        **vllm_arguments(p),
        'shuffle_dataset': False,  # trainer/data.py has shuffled the pairs
        # Judgments are sampled and learned by the same model; an adapter's dropout would make two of it.
        'disable_dropout': True,
        'trust_remote_code': job.trustRemoteCode,  # for the reference, which TRL loads
    }


def trainer_arguments(job):
    return {'reward_funcs': [reward_function(job)]}


def prepare_model(model, _job):
    return model
