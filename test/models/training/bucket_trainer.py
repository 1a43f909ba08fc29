"""Runs the trainer as on a machine of another name, with a pause after each step, so that it can be interrupted:
bucket_trainer.py HOST SECONDS --job ADDRESS
"""

import os
import socket
import sys
import time

host, seconds = sys.argv[1], float(sys.argv[2])
del sys.argv[1:3]
socket.gethostname = lambda: host


def pause_after_steps():
    from trainer.progress import Progress

    on_step_end = Progress.on_step_end

    def slowly(*args, **more):
        time.sleep(seconds)
        on_step_end(*args, **more)

    Progress.on_step_end = slowly


if __name__ == '__main__':
    if seconds:
        pause_after_steps()
    from trainer import __main__ as trainer

    os._exit(trainer.main())
