"""Runs the trainer as on a machine of another name, with a pause after each step, so that it can be interrupted:
bucket_trainer.py HOST SECONDS --job ADDRESS. With STEP:FILE in place of SECONDS it waits after this step, which it has not
reported yet, until the file is there.
"""

import os
import socket
import sys
import time

host, (seconds, _, file) = sys.argv[1], sys.argv[2].partition(':')
del sys.argv[1:3]
socket.gethostname = lambda: host


def pause_after_steps():
    from trainer.progress import Progress

    on_step_end = Progress.on_step_end

    def slowly(progress, args, state, control, **more):
        if not file:
            time.sleep(float(seconds))
        while file and state.global_step == int(seconds) and not os.path.exists(file):
            time.sleep(0.05)
        on_step_end(progress, args, state, control, **more)

    Progress.on_step_end = slowly


if __name__ == '__main__':
    if seconds != '0':
        pause_after_steps()
    from trainer import __main__ as trainer

    os._exit(trainer.main())
