"""Runs the trainer and makes it fail at a step: failing_trainer.py MODE STEP --job FILE

pause    in the first start only: hangs after the step until it is told to stop, then saves and stops as usual
hold     in each start: writes a line to `holds` of the output folder, and goes on when `released` is there; after
         `--hold-folder FOLDER`, which stands first, in that folder's subfolder with the training's name
allow    in each start: hangs after the step that the file `allowed` of the output folder names, or else STEP, and after later
         ones, until that file names a later step or it is told to stop, then goes on, or saves and stops, as usual
freeze   in each start: hangs before the next step, forever
raise    in each start: raises an exception whose text has another number each time
refuse   in each start: raises the error of the operating system for a full disk
forbid   in each start: raises another error of the operating system
"""

import os
import sys
import time

from trainer import __main__ as trainer
from trainer.progress import Progress

hold_folder = None
if sys.argv[1] == '--hold-folder':
    hold_folder = sys.argv[2]
    del sys.argv[1:3]
mode, step = sys.argv[1], int(sys.argv[2])
del sys.argv[1:3]
on_step_end = Progress.on_step_end


def fail_after_step(progress, args, state, control, **more):
    folder = progress.job.outputFolder
    marker = os.path.join(folder, 'went-wrong')
    if state.global_step == step:
        if mode == 'raise':
            raise RuntimeError(f'example {time.time()} is bad')
        if mode == 'refuse':
            raise OSError(28, 'No space left on device')
        if mode == 'forbid':
            raise PermissionError(13, 'Permission denied', f'{folder}/starts/{progress.job.token}')
        if mode == 'pause' and not os.path.exists(marker):
            open(marker, 'w').close()
            progress.stop_requested.wait()
        if mode == 'hold':
            if hold_folder:
                folder = os.path.join(hold_folder, progress.job.name)
                os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, 'holds'), 'a') as holds:
                holds.write('held\n')
            while not os.path.exists(os.path.join(folder, 'released')):
                time.sleep(0.05)
    if mode == 'allow':
        while state.global_step >= allowed_step(folder) and not progress.stop_requested.is_set():
            time.sleep(0.05)
    on_step_end(progress, args, state, control, **more)


def allowed_step(folder):
    try:
        with open(os.path.join(folder, 'allowed')) as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        return step


def hang_before_step(progress, args, state, control, **more):
    if mode == 'freeze' and state.global_step == step:
        while True:
            time.sleep(1)


Progress.on_step_end = fail_after_step
Progress.on_step_begin = hang_before_step
if __name__ == '__main__':
    os._exit(trainer.main())
