"""Keeps the output folder of a training in a bucket, from a scratch folder of the same layout.

Files that grow (`progress.jsonl`, `heartbeat`, `trainer.log`, those of trackers) are sent when they have changed, every 2 s.
A checkpoint is sent while the training goes on, its marker last; `model/` and `result.json` are sent at the end. The bucket
may be away for a while: the training goes on, and what could not be sent is sent later. Before it writes what others
read, the mirror confirms the lease.
"""

import contextlib
import os
import shutil
import threading
import time

from trainer.checkpoints import MARKER, checkpoint_step, damage_of, record_damage
from trainer.errors import Stopped, StorageUnavailable
from trainer.files import files_below, parse_json, touch
from trainer.lease import log

SEND_SECONDS = 2
RETRY_SECONDS = 5
GIVE_UP_SECONDS = 600  # for what a training can't end without
CLEANING_SECONDS = 60  # for what it can
# A file is sent as a whole each time, so a large one less often.
BYTES_PER_SECOND = 500_000
RESULT = 'result.json'
# What the mirror sends at certain moments only, and what is incomplete.
NOT_GROWING = ('checkpoints', 'candidates', 'model', 'model.partial', 'adapter', 'adapter.partial', RESULT)
# What a later start continues.
CONTINUED = (RESULT, 'progress.jsonl', 'trainer.log', 'damaged-checkpoints.jsonl', 'trackers.json')


class Superseded(Exception):
    """A checkpoint need not be sent any more, because the result is about to be."""


class Mirror:
    def __init__(self, bucket, quick_bucket, folder, lease, save_total_limit):
        """`quick_bucket` is the same place, for requests that are repeated anyway."""
        self._bucket, self._quick = bucket, quick_bucket
        self.folder, self._lease = folder, lease
        self._limit = save_total_limit
        self._sent = {}  # by name: the change that was sent last, and when
        self._changed = threading.Condition()
        self._to_send = None  # the newest checkpoint that is not in the bucket yet
        self.sending = None  # the checkpoint that is being sent
        self._problem = None  # why the newest checkpoint is not in the bucket yet
        self._is_awaited = self._is_publishing = False
        self._files = threading.Lock()  # an earlier state of a file must not be sent after a later one
        self._ended = threading.Event()
        self._touched_at = 0.0
        self._threads = [
            threading.Thread(target=each, name=each.__name__, daemon=True)
            for each in (self._keep_sending_files, self._keep_sending_checkpoints)
        ]

    def start(self):
        for each in self._threads:
            each.start()

    def close(self):
        """Sends the last lines. Nothing is sent after it."""
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        if self._threads[0].is_alive():
            self._threads[0].join()
        with contextlib.suppress(OSError, Stopped):
            self._persist(lambda: self._send_files(at_once=True), 'the last lines are not stored yet', CLEANING_SECONDS)

    def progress(self, shows=True):
        """Shows followers that a long transfer is not stalled, and ends it if another start has taken over."""
        self._lease.check()
        if shows and time.monotonic() - self._touched_at > 0.5:
            self._touched_at = time.monotonic()
            touch(os.path.join(self.folder, 'heartbeat'))

    # The start

    def fetch_files(self):
        """Gets the files that this start continues, and the result, if there is one."""
        for name in CONTINUED:
            found = self._bucket.get(name)
            if found:
                path = os.path.join(self.folder, name)
                with open(path, 'wb') as file:
                    file.write(found[0])
                self._sent[name] = (change_of(path), time.monotonic())

    def fetch_checkpoint(self, progress):
        """Gets the newest intact checkpoint, unless there is a result. Removes damaged ones that are newer."""
        if os.path.exists(os.path.join(self.folder, RESULT)):
            return
        for name, keys in reversed(self._checkpoints()):
            marker = f'checkpoints/{name}/{MARKER}'
            facts = parse_json(self._bucket.get(marker)[0]) if marker in keys else None
            if not isinstance(facts, dict):
                self._persist(lambda: self._remove_checkpoint(keys), f'{name} is not removed yet')
                continue
            folder = os.path.join(self.folder, 'checkpoints', name)
            wanted = {f'checkpoints/{name}/{file}': os.path.join(folder, file) for file in facts['files']}
            log(f'gets {self._bucket.locate(f"checkpoints/{name}")}')
            self._bucket.download({key: path for key, path in wanted.items() if key in keys}, progress)
            reason = damage_of(folder, facts, progress)
            if reason is None:
                self._bucket.download({marker: os.path.join(folder, MARKER)})
                return
            place, reason = self._bucket.locate(f'checkpoints/{name}'), reason.replace(self.folder, self._bucket.address)
            log(f'warning: {place} is damaged, so it is removed and the one before is used: {reason}')
            record_damage(self.folder, folder, reason)
            shutil.rmtree(folder)
            self._persist(lambda: self._remove_checkpoint(keys), f'{name} is not removed yet')

    # Checkpoints

    def checkpoint_saved(self, path):
        """Sends a complete checkpoint, after the one that is being sent. If they are saved faster than sent, only the
        newest is sent."""
        with self._changed:
            self._to_send, self._problem = path, 'it is being sent'
            self._changed.notify_all()

    def wait_for_checkpoint(self):
        """Waits until the newest checkpoint is in the bucket. Returns why it is not; None if it is, or need not be."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        with self._changed:
            self._is_awaited = True
            while self._problem and not self._lease.lost.is_set() and time.monotonic() < deadline:
                self._changed.wait(1)
            return None if self._lease.lost.is_set() else self._problem

    def _keep_sending_checkpoints(self):
        while not self._ended.is_set():
            with self._changed:
                if not self._to_send:
                    self._changed.wait()
                    continue
                path = self.sending = self._to_send
            problem = None
            try:
                self._send_checkpoint(path)
            except (Stopped, Superseded):
                pass
            except Exception as error:
                problem = str(error)
                log(f'{os.path.basename(path)} is not in the bucket yet, retrying: {problem}')
            with self._changed:
                self.sending = None
                if self._to_send == path:
                    self._problem = problem
                    self._to_send = path if problem else None
                self._changed.notify_all()
            if problem:
                self._ended.wait(RETRY_SECONDS)

    def _send_checkpoint(self, path):
        prefix = f'checkpoints/{os.path.basename(path)}'
        files = files_below(path)
        marker = files.pop(MARKER)
        self._lease.confirm()
        self._bucket.upload({f'{prefix}/{name}': file for name, file in files.items()}, self._checkpoint_progress)
        self._checkpoint_progress()
        self._lease.confirm()
        self._bucket.upload({f'{prefix}/{MARKER}': marker})
        kept = 0
        for _, keys in reversed(self._checkpoints()):
            is_complete = any(key.endswith(f'/{MARKER}') for key in keys)
            kept += is_complete
            if not is_complete or kept > self._limit:
                self._remove_checkpoint(keys)

    def _checkpoint_progress(self):
        if self._is_publishing:
            raise Superseded
        # While the training goes on, it shows by itself that it is not stalled.
        self.progress(shows=self._is_awaited)

    def _checkpoints(self):
        """`[(name, keys)]` of the checkpoints in the bucket, oldest first."""
        found = {}
        for key in self._bucket.list('checkpoints/'):
            name = key.split('/')[1]
            if checkpoint_step(name) is not None:
                found.setdefault(name, set()).add(key)
        return sorted(found.items(), key=lambda each: checkpoint_step(each[0]))

    def _remove_checkpoint(self, keys):
        self._lease.confirm()
        # The markers first: an interrupted removal must not look complete.
        self._bucket.delete(*(key for key in keys if key.endswith(f'/{MARKER}')))
        self._bucket.delete(*(key for key in keys if not key.endswith(f'/{MARKER}')))

    def publish_candidate(self, name):
        """Sends the model of a step, its result last, before the training goes on: it is not kept here."""
        self._persist(lambda: self._publish_candidate(f'candidates/{name}'), f'{name} is not in the bucket yet')

    def _publish_candidate(self, prefix):
        self._lease.confirm()
        self._bucket.delete(f'{prefix}/{RESULT}')
        for folder in ('adapter', 'model'):
            self._send_folder(f'{prefix}/{folder}')
        self._lease.confirm()
        self._bucket.upload({f'{prefix}/{RESULT}': os.path.join(self.folder, *prefix.split('/'), RESULT)})

    # The end

    def publish(self):
        """Sends the model, then the result."""
        with self._changed:
            self._is_publishing = True
            self._to_send = self._problem = None
            while self.sending and not self._lease.lost.is_set():
                self._changed.wait(1)
        self._persist(self._publish, 'the result is not in the bucket yet')

    def _publish(self):
        for folder in ('adapter', 'model'):
            self._send_folder(folder)
        self._send_files(at_once=True)
        self._lease.confirm()
        self._bucket.upload({RESULT: os.path.join(self.folder, RESULT)})

    def _send_folder(self, folder):
        files = files_below(os.path.join(self.folder, *folder.split('/')))
        local = {f'{folder}/{name}': path for name, path in files.items()}
        self._lease.confirm()
        self._bucket.upload(local, self.progress)
        # An earlier start may have sent some that are none of this model.
        self._bucket.delete(*(key for key in self._bucket.list(f'{folder}/') if key not in local))

    def remove_checkpoints(self):
        def remove():
            for _, keys in self._checkpoints():
                self._remove_checkpoint(keys)

        with contextlib.suppress(OSError, Stopped):  # the follower removes them, too
            self._persist(remove, 'the checkpoints are not removed yet', CLEANING_SECONDS)

    def _persist(self, action, problem, seconds=GIVE_UP_SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return action()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise StorageUnavailable(str(error), is_permanent=False) from error
                log(f'{problem}, retrying: {error}')
                time.sleep(RETRY_SECONDS)

    # Files that grow

    def _keep_sending_files(self):
        was_sent = True
        while not self._ended.wait(SEND_SECONDS):
            try:
                self._send_files()
                was_sent = True
            except Stopped:
                return
            except Exception as error:
                if was_sent:
                    log(f'progress and log are not stored at the moment, retrying: {error}')
                was_sent = False

    def _send_files(self, at_once=False):
        with self._files:
            self._send_changed_files(at_once)

    def _send_changed_files(self, at_once):
        for name, path in files_below(self.folder).items():
            if name.split(os.sep)[0] in NOT_GROWING or name.endswith('.tmp'):
                continue
            try:
                change = change_of(path)
                sent, sent_at = self._sent.get(name, (None, 0.0))
                is_due = at_once or time.monotonic() - sent_at > change[1] / BYTES_PER_SECOND
                if change == sent or not is_due:
                    continue
                # The heartbeat is an empty file. As an object it has a content that changes.
                content = str(change[0]).encode() if name == 'heartbeat' else read(path)
            except FileNotFoundError:
                continue  # a tracker has removed it
            self._lease.confirm(2 * SEND_SECONDS)
            (self._bucket if at_once else self._quick).put(name.replace(os.sep, '/'), content)
            self._sent[name] = (change, time.monotonic())


def change_of(path):
    """A value that another one replaces when the file changes: `(time, bytes)`."""
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size


def read(path):
    with open(path, 'rb') as file:
        return file.read()
