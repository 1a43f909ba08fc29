"""The lease: which process trains into an output folder, and that it still does.

`lease.json` {host, bootId, pid, startTime, token, renewedAt} is renewed every 10 s by the trainer itself, so that it
tells the truth whatever became of the worker that started it. Three fences, each for what the others can't see: a lock
that the kernel drops with the process (two trainers started at once), process id with start time (the same machine),
and the age of the lease (another machine).
"""

import datetime
import fcntl
import os
import platform
import socket
import subprocess
import threading
import time

from trainer.errors import Stopped
from trainer.files import read_json, write_json

RENEW_SECONDS = 10
EXPIRE_SECONDS = 30


class Lease:
    """Held from `acquire` to `release`. `lost` is set when the file carries another start's token."""

    def __init__(self, folder, token):
        self.path = os.path.join(folder, 'lease.json')
        self.token = token
        pid = os.getpid()
        self._holder = {'host': socket.gethostname(), 'bootId': boot_id(), 'pid': pid, 'startTime': start_time(pid)}
        self.lost = threading.Event()
        self._released = threading.Event()
        self._lock = None
        self._held = False
        self._renewal = threading.Thread(target=self._keep_renewing, name='lease', daemon=True)

    def acquire(self):
        """Raises Stopped where another trainer holds the folder."""
        self._lock = open(f'{self.path}.lock', 'w', encoding='utf-8')
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Stopped(f'{self.path}: another trainer is at work here') from None
        except OSError:
            pass  # a file system without locks: the lease alone decides
        held = read_json(self.path)
        if held and held.get('token') != self.token and alive(held):
            raise Stopped(f'{self.path}: process {held.get("pid")} on {held.get("host")} is at work here')
        self._write()
        self._renewal.start()
        self._held = True

    def check(self):
        """Raises Stopped where the lease was lost: called before anything is put in place that another may read."""
        held = read_json(self.path)
        if self.lost.is_set() or held is None or held.get('token') != self.token:
            self.lost.set()
            raise Stopped(f'{self.path}: another start has taken over this folder')

    def release(self):
        """Removes the lease, if it is still this start's, so that nobody has to wait until it runs out."""
        if not self._held:
            return
        self._released.set()
        self._renewal.join()
        held = read_json(self.path)
        if held and held.get('token') == self.token:
            os.remove(self.path)

    def _keep_renewing(self):
        while not self._released.wait(RENEW_SECONDS):
            try:
                self.check()
                self._write()
            except Stopped:
                return
            except OSError as error:
                print(f'{self.path}: not renewed, trying again: {error}', flush=True)

    def _write(self):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='milliseconds').replace('+00:00', 'Z')
        write_json(self.path, {**self._holder, 'token': self.token, 'renewedAt': now}, durable=False)


def alive(lease):
    """Whether the holder of a lease lives. On another machine only the age of its lease can tell."""
    if lease.get('host') == socket.gethostname():
        return lease.get('bootId') == boot_id() and start_time(lease.get('pid')) == lease.get('startTime')
    try:
        renewed = datetime.datetime.fromisoformat(lease['renewedAt'].replace('Z', '+00:00'))
    except (AttributeError, KeyError, ValueError):
        return False
    return 0 <= time.time() - renewed.timestamp() < EXPIRE_SECONDS


def boot_id():
    """The machine's current boot, as src/processes/identity.ts gives it: both sides compare these texts."""
    if platform.system() == 'Linux':
        with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as file:
            return file.read().strip()
    return printed_by('sysctl', '-n', 'kern.bootsessionuuid') or 'unknown'


def start_time(pid):
    """When a live process started, as src/processes/identity.ts gives it; None where it doesn't live. A process id
    alone means little: the system hands it out again."""
    if platform.system() != 'Linux':
        return printed_by('ps', '-o', 'lstart=', '-p', str(pid)) or None
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as file:
            # The program's name, in parentheses, may hold spaces and parentheses itself.
            fields = file.read().rpartition(')')[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in 'ZX' else fields[19]  # proc_pid_stat(5): field 3 is the state, 22 the start time


def printed_by(*command):
    environment = {**os.environ, 'LC_ALL': 'C', 'TZ': 'UTC'}
    return subprocess.run(command, capture_output=True, text=True, env=environment).stdout.strip()
