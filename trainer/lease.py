"""The lease: says which process trains into an output folder, and that it is still alive.

The trainer itself renews `lease.json` {host, bootId, pidNamespace, pid, startTime, token, renewedAt} every 2 s, so the
lease is right even if the worker that started the trainer is gone. Three checks keep a second trainer out, each in a
case that the others miss: a file lock, which the kernel releases with the process (two trainers start at the same time);
the process id with its start time (same machine and container); and the renewals, as they are seen over time (another
machine). The times of two machines are never compared.

Where it renews its lease, the trainer also looks for `stop.json` {token, reason, kill}: a request to this start, from any
machine, to save a checkpoint and end.
"""

import contextlib
import datetime
import fcntl
import os
import platform
import signal
import socket
import subprocess
import threading
import time

from trainer.errors import Stopped
from trainer.files import read_json, write_json

RENEW_SECONDS = 2
EXPIRE_SECONDS = 30
# A file server releases the locks of a machine that is gone after its own time: for NFS 4 usually 90 s.
LOCK_WAIT_SECONDS = 120


class Lease:
    """Held from `acquire` to `release`. `lost` is set when another start holds it, `stop_requested` when this start is
    asked to stop. This class keeps the lease in a folder, BucketLease (trainer/bucket_lease.py) in a bucket."""

    poll_seconds = 0.1  # between two looks at the lease of another trainer

    def __init__(self, folder, token, stop_requested):
        self.folder = folder
        self.path = os.path.join(folder, 'lease.json')
        self.token = token
        self.stop_requested = stop_requested
        self._holder = identify(os.getpid())
        self.lost = threading.Event()
        self._released = threading.Event()
        self._lock = None
        self._held = False
        self._renewal = threading.Thread(target=self._keep_renewing, name='lease', daemon=True)

    def acquire(self):
        """Raises Stopped if another trainer holds the folder, or if this start is asked to stop. If another trainer can't be
        seen, because it ran on another machine, waits until its lease is renewed or has expired."""
        foreign = ForeignLease(self._read)
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            self._obey()
            if self.stop_requested.is_set():
                raise Stopped(f'{self.folder}: stopped before the start')
            existing = self._read('lease.json')
            state = 'dead' if existing is None or self._is_own(existing) else foreign.state(existing)
            if state == 'alive':
                process = f'process {existing.get("pid")} on {existing.get("host")}'
                raise Stopped(f'{self.path}: {process} holds this folder')
            if state == 'dead' and self._take():
                break
            if state == 'dead' and time.monotonic() > deadline:
                raise Stopped(f'{self.path}.lock: a process that is not in {self.path} has locked this file')
            time.sleep(self.poll_seconds)
        self._held = True
        self._renewal.start()

    def check(self):
        """Raises Stopped if the lease is lost. Call it before writing a file that others may read."""
        existing = self._read('lease.json')
        if self.lost.is_set() or existing is None or existing.get('token') != self.token:
            self._lose()

    def release(self):
        """Removes the lease if it still belongs to this start: the next start need not wait until it expires."""
        if not self._held:
            return
        self._released.set()
        self._renewal.join()
        self._remove()

    def _keep_renewing(self):
        was_renewed = True
        while not self._released.wait(RENEW_SECONDS):
            with contextlib.suppress(OSError):  # the store can't be read for a while
                self._obey()
            try:
                self._renew()
                if not was_renewed:
                    log(f'{self.path}: the lease is renewed again')
                was_renewed = True
            except Stopped:
                return
            except OSError as error:
                if was_renewed:
                    log(f'{self.path}: the lease was not renewed, retrying: {error}')
                was_renewed = False

    def _obey(self):
        """Carries out a request to stop. The file lies in the folder that this process writes to, because a network file
        system may hide a new file in any other folder for a minute."""
        request = self._read('stop.json')
        if not request or request.get('token') != self.token:
            return
        if not self.stop_requested.is_set():
            log(f'stop requested: {request.get("reason")}')
            self.stop_requested.set()
        if request.get('kill'):  # it made no progress, so it can't save
            os.kill(os.getpid(), signal.SIGKILL)

    def _lose(self):
        self.lost.set()
        raise Stopped(f'{self.path}: another start has taken over this folder')

    def _content(self):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='milliseconds').replace('+00:00', 'Z')
        return {**self._holder, 'token': self.token, 'renewedAt': now}

    # What differs where the lease is kept elsewhere.

    def _read(self, name):
        return read_json(os.path.join(self.folder, name))

    def _is_own(self, lease):
        return lease.get('token') == self.token

    def _take(self):
        """Returns whether this process has got the lease."""
        self._lock = self._lock or open(f'{self.path}.lock', 'w', encoding='utf-8')
        if not try_lock(self._lock):
            return False
        write_json(self.path, self._content(), durable=False)
        return True

    def _renew(self):
        self.check()
        write_json(self.path, self._content(), durable=False)

    def _remove(self):
        existing = self._read('lease.json')
        if existing and existing.get('token') == self.token:
            os.remove(self.path)


class ForeignLease:
    """Observes the lease of another trainer. The observation begins where the followers of that trainer ended theirs
    (src/models/training/start-silence.ts)."""

    def __init__(self, read):
        self._read = read
        self.sign = None

    def state(self, lease):
        """`alive`, `dead`, or `unknown` until the lease is renewed or has expired."""
        if is_pid_valid_here(lease):
            return 'alive' if start_time(lease.get('pid')) == lease.get('startTime') else 'dead'
        sign = lease.get('renewedAt')
        if self.sign is None:
            self.sign, self.since = sign, time.monotonic()
            seen = self._read(f'starts/{lease.get("token")}/silence.json')
            if seen and seen.get('sign') == sign:
                self.since -= seen['seconds']
        if sign != self.sign:
            return 'alive'
        return 'dead' if time.monotonic() - self.since >= EXPIRE_SECONDS else 'unknown'


def log(line):
    with contextlib.suppress(OSError):  # the log may be on the same full disk
        print(line, flush=True)


def try_lock(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # the file system has no locks: only the lease counts
    return True


def identify(pid):
    """The identity of a process, in the form of src/platform/process-identity.ts: both sides compare it."""
    namespace = pid_namespace()
    identity = {'host': socket.gethostname(), 'bootId': boot_id(), 'pid': pid, 'startTime': start_time(pid)}
    return {**identity, 'pidNamespace': namespace} if namespace else identity


def is_pid_valid_here(identity):
    """Tells whether the id of a process that was identified earlier means the same process here."""
    if identity.get('host') != socket.gethostname() or identity.get('bootId') != boot_id():
        return False
    return identity.get('pidNamespace') in (None, pid_namespace())


def pid_namespace():
    """The namespace of this process's ids with the start time of its first process; None on systems without."""
    if platform.system() != 'Linux':
        return None
    return f'{os.readlink("/proc/self/ns/pid")}/{start_time(1) or ""}'


def boot_id():
    """The id of the machine's current boot."""
    if platform.system() == 'Linux':
        with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as file:
            return file.read().strip()
    return output_of('sysctl', '-n', 'kern.bootsessionuuid') or 'unknown'


def start_time(pid):
    """The start time of a running process; None if it is not running. A process id alone does not identify a process,
    because the system reuses ids."""
    if platform.system() != 'Linux':
        return output_of('ps', '-o', 'lstart=', '-p', str(pid)) or None
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as file:
            # The name of the program is in parentheses, and may contain spaces and parentheses.
            fields = file.read().rpartition(')')[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc_pid_stat(5): field 3 is the state of the first thread, 20 the number of threads, 22 the start time. A killed
    # process is called a zombie while its other threads still end; until then it holds its memory.
    return None if fields[0] in 'ZX' and int(fields[17]) <= 1 else fields[19]


def output_of(*command):
    environment = {**os.environ, 'LC_ALL': 'C', 'TZ': 'UTC'}
    return subprocess.run(command, capture_output=True, text=True, env=environment).stdout.strip()
