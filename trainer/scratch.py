"""The folder of this machine in which a trainer works whose job has addresses, and the capture of what it prints."""

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile


def scratch_folder():
    """The folder of this machine's scratch folders: in the product's cache folder (src/platform/cache-folder.ts), or in the
    temporary folder if that can't be written. Several machines may share both, and the file system may have no locks."""
    caches = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser(
        '~/Library/Caches' if sys.platform == 'darwin' else '~/.cache'
    )
    cache = os.environ.get('SELF_TAUGHT_EVALUATOR_CACHE') or os.path.join(caches, 'self-taught-evaluator')
    temporary = os.path.join(tempfile.gettempdir(), 'self-taught-evaluator')
    for folder in (os.path.join(cache, 'trainings'), os.path.join(temporary, 'trainings')):
        folder = os.path.join(folder, socket.gethostname())
        with contextlib.suppress(OSError):
            os.makedirs(folder, exist_ok=True)
            if os.access(folder, os.W_OK):
                break
    return folder


def claim(folder):
    """Creates an empty folder and locks it until this process ends. Returns the descriptor that holds the lock."""
    while True:
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.stat(folder).st_ino == os.fstat(descriptor).st_ino:
                break
        os.close(descriptor)  # another trainer has just removed it as an abandoned one
    for each in os.scandir(folder):
        if each.is_dir(follow_symlinks=False):
            shutil.rmtree(each.path)
        else:
            os.remove(each.path)
    return descriptor


def remove_abandoned(parent):
    """Removes the folders of trainers that were killed."""
    for each in os.scandir(parent):
        with contextlib.suppress(OSError):
            descriptor = os.open(each.path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(each.path, ignore_errors=True)
            finally:
                os.close(descriptor)


class CapturedOutput:
    """Appends what this process and its children print to a file, too. A program of its own does it, so that the last
    words of a process that crashes are printed."""

    def __init__(self, file):
        sys.stdout.flush()
        sys.stderr.flush()
        self._original = [os.dup(descriptor) for descriptor in (1, 2)]
        # A scheduler may send a signal to all processes of a job.
        command = ['sh', '-c', 'trap "" TERM INT HUP; exec tee -a "$0"', file]
        self._tee = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        for descriptor in (1, 2):
            os.dup2(self._tee.stdin.fileno(), descriptor)

    def end(self):
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), self._original):
            os.dup2(original, descriptor)
        self._tee.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # a process that a tracker has left may hold it open
            self._tee.wait(timeout=5)
