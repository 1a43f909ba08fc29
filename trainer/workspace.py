"""The scratch folder of a trainer whose job has addresses: its inputs are copied there, its output is kept in the bucket.

The ranks of one machine share it. It is removed at the end; one that a killed trainer has left is removed by the next
trainer on the machine. Nothing in it is needed again.
"""

import hashlib
import os
import shutil
import time

from trainer.bucket import Bucket
from trainer.bucket_lease import BucketLease
from trainer.errors import NO_ROOM, NEEDS_FOLDER, ConfigurationError, Stopped
from trainer.files import is_address, touch, write_json
from trainer.inputs import fetch_checkpoint, fetch_data
from trainer.job import Job
from trainer.lease import Lease
from trainer.mirror import Mirror
from trainer.scratch import CapturedOutput, claim, remove_abandoned, scratch_folder

READY = 'ready.json'


class Workspace:
    def __init__(self, job, is_first_rank, stop_requested):
        if is_address(job.outputFolder):
            refuse_several_machines()
        self._job, self._is_first_rank, self._stop_requested = job, is_first_rank, stop_requested
        attempt = os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')
        name = hashlib.sha256(f'{job.outputFolder} {job.token} {attempt}'.encode()).hexdigest()[:16]
        self.folder = os.path.join(scratch_folder(), name)
        self._local = {  # the place of each address on this machine
            address: os.path.join(self.folder, place)
            for place, address in (
                ('base', job.baseCheckpoint),
                ('data.jsonl', job.data),
                ('output', job.outputFolder),
            )
            if is_address(address)
        }
        self._output_folder = self._local.get(job.outputFolder, job.outputFolder)
        self._keeps_output = is_address(job.outputFolder)
        self._mirror = self._captured = self._lock = None

    def lease(self):
        """The lease of the output folder, not acquired yet."""
        if self._keeps_output:
            return BucketLease(self._job.outputFolder, self._job.token, self._stop_requested)
        os.makedirs(self._output_folder, exist_ok=True)
        return Lease(self._output_folder, self._job.token, self._stop_requested)

    def prepare(self, lease):
        """Returns the job with local paths, once all that it needs is there. Every rank must call it, the first one with the
        lease, which it has acquired."""
        if self._is_first_rank:
            remove_abandoned(scratch_folder())
            self._lock = claim(self.folder)
            os.makedirs(self._output_folder, exist_ok=True)
            self._fetch(lease)
            write_json(os.path.join(self.folder, READY), {}, durable=False)
        else:
            self._wait()
            self._capture()
        fields = vars(self._job).items()
        job = Job(**{name: self._local.get(value, value) if isinstance(value, str) else value for name, value in fields})
        job.mirror, job.addresses = self._mirror, {path: address for address, path in self._local.items()}
        return job

    def _fetch(self, lease):
        job = self._job
        if self._keeps_output:
            self._mirror = Mirror(
                Bucket(job.outputFolder),
                Bucket(job.outputFolder, 'quick'),
                self._output_folder,
                lease,
                job.hyperparameters.saveTotalLimit,
            )
            self._mirror.fetch_files()
            self._capture()
            self._mirror.start()

        def progress():
            if self._stop_requested.is_set():
                raise Stopped(f'{job.outputFolder}: stopped before the start')
            if self._mirror:
                self._mirror.progress()
            else:
                touch(os.path.join(self._output_folder, 'heartbeat'))

        if job.data in self._local:
            fetch_data(job.data, self._local[job.data], progress)
        if job.baseCheckpoint in self._local:
            fetch_checkpoint(job.baseCheckpoint, self._local[job.baseCheckpoint], progress)
        if self._mirror:
            self._mirror.fetch_checkpoint(progress)

    def _wait(self):
        """Waits until the first rank has prepared the folder."""
        was_there = False
        while not os.path.exists(os.path.join(self.folder, READY)):
            is_there = os.path.isdir(self.folder)
            if self._stop_requested.is_set() or (was_there and not is_there):
                raise Stopped(f'{self._job.outputFolder}: stopped before the start')
            was_there = is_there
            time.sleep(0.1)

    def _capture(self):
        if self._keeps_output:
            self._captured = CapturedOutput(os.path.join(self._output_folder, 'trainer.log'))

    def save(self, code, message):
        """Waits until the newest checkpoint is in the bucket. Returns the exit code and the message, with addresses in place
        of local paths."""
        for address, path in self._local.items():
            message = message.replace(path, address)
        problem = self._mirror.wait_for_checkpoint() if self._mirror else None
        if problem and code == Stopped.exit_code:
            code = NO_ROOM
        return code, f'{message}; its newest checkpoint was not stored: {problem}' if problem else message

    def close(self):
        """Ends the capture of the output, and sends its last lines."""
        if self._captured:
            self._captured.end()
        if self._mirror:
            self._mirror.close()

    def remove(self):
        if self._lock is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def refuse_several_machines():
    """A checkpoint has parts of all ranks, and only the machine of the first one sends it."""
    ranks = os.environ.get('WORLD_SIZE', '1')
    if os.environ.get('LOCAL_WORLD_SIZE', ranks) != ranks or os.environ.get('SLURM_STEP_NUM_NODES', '1') != '1':
        raise ConfigurationError(NEEDS_FOLDER)
