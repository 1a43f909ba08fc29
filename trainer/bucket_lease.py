"""The lease of a training whose folder is in a bucket.

Each renewal replaces `lease.json` only if it is still the object of the renewal before. So a start that another one has
taken over from learns of it at its next renewal with certainty, without a lock and whatever the clocks say.
"""

import contextlib
import threading
import time
import uuid

from trainer.bucket import Bucket
from trainer.errors import Stopped
from trainer.files import as_json, parse_json
from trainer.lease import Lease, is_pid_valid_here, start_time


class BucketLease(Lease):
    poll_seconds = 1

    def __init__(self, address, token, stop_requested):
        super().__init__(address, token, stop_requested)
        self._bucket = Bucket(address)
        self._version = None
        self._renewed_at = 0.0
        self._put_id = uuid.uuid4().hex
        self._lock = threading.Lock()  # two renewals at a time would take each other for another start's

    def check(self):
        """Raises Stopped if the lease is known to be lost: the training goes on while the bucket can't be reached."""
        if self.lost.is_set():
            self._lose()

    def confirm(self, seconds=0):
        """Raises Stopped if the lease is lost, by a renewal, unless the last one is younger than this. Call it before
        writing an object that others may read."""
        self.check()
        if time.monotonic() - self._renewed_at >= seconds:
            self._renew()

    def _read(self, name):
        found = self._bucket.get(name)
        if name == 'lease.json':
            self._version = found and found[1]
        return parse_json(found[0]) if found else None

    def _is_own(self, lease):
        """Tells whether a process of this start held the lease, and is dead or on another machine: it loses the lease to this
        one."""
        is_alive = is_pid_valid_here(lease) and start_time(lease.get('pid')) == lease.get('startTime')
        return super()._is_own(lease) and not is_alive

    def _take(self):
        with self._lock:
            is_taken = self._put()
            if is_taken:
                self._bucket = Bucket(self.folder, 'quick')  # the next renewal comes soon
            return is_taken

    def _renew(self):
        with self._lock:
            self.check()
            if not self._put():
                self._lose()

    def _put(self):
        now = time.monotonic()
        version = self._bucket.put_if('lease.json', as_json(self._content()), self._version, self._put_id)
        if version:
            self._version, self._renewed_at = version, now
        return version is not None

    def _remove(self):
        with contextlib.suppress(Stopped, OSError):  # then it expires
            self._renew()
            self._bucket.delete('lease.json')
