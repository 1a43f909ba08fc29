"""Prints, as JSON, what trainer/rewards.py and trainer/verdicts.py make of the JSON on standard input.

    python check_rewards.py verdicts      {texts, marks} -> the verdict of each text
    python check_rewards.py rewards       {job, completions, columns} -> the reward of each completion
"""

import json
import sys
from types import SimpleNamespace

from trainer.rewards import reward_function
from trainer.verdicts import verdict_of

what, given = sys.argv[1], json.load(sys.stdin)
if what == 'verdicts':
    found = [verdict_of(text, given['marks']) for text in given['texts']]
else:
    job = SimpleNamespace(reasoningMarks=[], hyperparameters=SimpleNamespace(reward=given['reward']))
    completions = [[{'role': 'assistant', 'content': text}] for text in given['texts']]
    found = reward_function(job)(completions=completions, prompts=[], **given['columns'])
print(json.dumps(found))
