"""Prints, as JSON, what trainer/rewards.py and trainer/verdicts.py make of the JSON on standard input.

    python check_rewards.py verdicts      {texts, marks} -> the verdict of each text
    python check_rewards.py task-verdicts {task, texts, marks} -> the verdict of each text for a task beyond pairs
    python check_rewards.py rewards       {job, completions, columns} -> the reward of each completion
    python check_rewards.py arguments     a job -> what TRL's GRPOConfig makes of it on a machine with vLLM and a GPU
"""

import json
import os
import sys
from types import SimpleNamespace

from trainer.rewards import reward_function
from trainer.verdicts import choice_of, correctness_of, score_of, verdict_of

what, given = sys.argv[1], json.load(sys.stdin)
if what == 'verdicts':
    found = [verdict_of(text, given['marks']) for text in given['texts']]
elif what == 'task-verdicts':
    verdict = {'score': score_of, 'rank': choice_of, 'verify': correctness_of}[given['task']]
    found = [verdict(text, given['marks']) for text in given['texts']]
elif what == 'arguments':
    from trainer import grpo, rollouts
    from trainer.job import Job

    rollouts.vllm_problem = lambda: None
    job = Job(**{**given, 'hyperparameters': SimpleNamespace(**given['hyperparameters'])})
    p = job.hyperparameters
    batch = {'per_device_train_batch_size': p.perDeviceBatchSize, 'gradient_accumulation_steps': p.gradientAccumulationSteps}
    config = grpo.Arguments(output_dir=job.outputFolder, use_cpu=True, report_to='none', **batch, **grpo.method_arguments(job))
    found = {name: value for name, value in {**vars(config), **os.environ}.items() if 'vllm' in name.lower()}
else:
    job = SimpleNamespace(reasoningMarks=[], hyperparameters=SimpleNamespace(reward=given['reward']))
    completions = [[{'role': 'assistant', 'content': text}] for text in given['texts']]
    found = reward_function(job)(completions=completions, prompts=[], **given['columns'])
print(json.dumps(found))
