"""The trainer, which goes wrong at a step: failing_trainer.py HOW STEP --job FILE

pause    once: stands still after the step until it is asked to stop, and then saves as ever
freeze   always: stands still before the next step, for good
raise    always: an exception, whose text has another number each time
refuse   always: an error of the operating system
"""

import os
import sys
import time

from trainer import __main__ as trainer
from trainer.progress import Progress

how, step = sys.argv[1], int(sys.argv[2])
del sys.argv[1:3]
on_step_end = Progress.on_step_end


def go_wrong(progress, args, state, control, **more):
    once = os.path.join(progress.job.outputFolder, 'went-wrong')
    if state.global_step == step:
        if how == 'raise':
            raise RuntimeError(f'example {time.time()} is bad')
        if how == 'refuse':
            raise OSError(28, 'No space left on device')
        if how == 'pause' and not os.path.exists(once):
            open(once, 'w').close()
            progress.stop_requested.wait()
    on_step_end(progress, args, state, control, **more)


def stand_still(progress, args, state, control, **more):
    if how == 'freeze' and state.global_step == step:
        while True:
            time.sleep(1)


Progress.on_step_end = go_wrong
Progress.on_step_begin = stand_still
if __name__ == '__main__':
    os._exit(trainer.main())
