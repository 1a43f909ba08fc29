"""Quotes a training example, as libraries do in their exceptions: quoting_trainer.py MODE --job FILE

report   ends with an exception that contains the example
die      prints it, and is killed before it can report
"""

import json
import os
import sys

from trainer import __main__ as trainer
from trainer.progress import Progress

mode = sys.argv[1]
del sys.argv[1]


def quote(progress, args, state, control, **more):
    with open(progress.job.data) as records:
        example = json.loads(records.readline())
    print(f'RuntimeError: bad example: {example}', file=sys.stderr, flush=True)
    if mode == 'die':
        os.kill(os.getpid(), 9)
    raise ValueError(f'bad example: {example}')


Progress.on_step_end = quote
if __name__ == '__main__':
    os._exit(trainer.main())
