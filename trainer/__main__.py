"""Fine-tunes a judge, or checks whether a training could start on this machine.

    python -m trainer --job /path/job.json           runs the job (its fields: trainer/job.schema.json)
    python -m trainer --check [--base-checkpoint X]  prints one JSON line {ok, versions, device, problems}; exit 0 or 78

With `--run -` the check reads from standard input what a run would do with the checkpoint: {conversations: [{field, prompt,
completion}, ...], adapter}. `field` is that of the configuration which names the prompt; `adapter` as in a job.

FILE, X and the paths in the job may be addresses such as `s3://judges/team-a/...`. An output folder in a bucket has the same
files under the same names; the trainer works in a scratch folder of the machine (trainer/workspace.py), and sends what it
writes (trainer/mirror.py).

The trainer writes these files into the job's output folder: `lease.json` (trainer/lease.py), `progress.jsonl`,
`heartbeat`, `tensorboard/` and the files of other trackers (trainer/tracking.py), `checkpoints/`, `candidates/`
(trainer/candidates.py), then `model/` (and `adapter/`, if a LoRA adapter is kept), and last `result.json`. A training is done
only when `result.json` exists.

Beside the job file it writes `exit.json` {exitCode, message}. With several ranks the first rank that fails writes it,
else rank 0 does. The file is needed because launchers such as torchrun do not pass the exit code on, and because rank 0
waits for a failed rank until the launcher kills it.

Exit codes:
    0   done
    1   an exception. Try again; give up if the same exception comes again and again at the same step.
    65  the training set is unusable. Do not try again.
    71  the operating system refused something. The same; only more often, because such a fault may pass by itself.
    74  there is no room, or a bucket can't be reached. Try again, until somebody has made room.
    75  stopped by `stop.json`, SIGTERM or SIGINT, or another trainer holds the folder. The next start resumes from the
        newest complete checkpoint.
    78  the configuration is unusable. Do not try again.
After any other exit code: try again. The last line on standard error says what failed and where.

To train on several GPUs, start it with torchrun. Rank 0 then writes all files except `exit.json`.
"""

import argparse
import contextlib
import errno
import json
import os
import signal
import sys
import threading
import traceback

from trainer.checkpoints import require_same_job
from trainer.data import read_rows
from trainer.environment import clear_settings, know_user, quick_imports
from trainer.errors import NO_ROOM, SYSTEM_FAILED, ConfigurationError, StorageUnavailable, TrainerExit
from trainer.files import create_json, exists, is_address, read_json, remove_file
from trainer.job import read_job, tracker_names
from trainer.lease import Lease


def main():
    parser = argparse.ArgumentParser(prog='python -m trainer', description='Fine-tunes a judge on its own judgments.')
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument('--job', metavar='FILE', help='train what this job file says')
    mode.add_argument('--check', action='store_true', help='only check whether a training could start')
    parser.add_argument('--base-checkpoint', metavar='FOLDER', help='with --check: a folder, an address or a model hub name')
    parser.add_argument(
        '--trust-remote-code', action='store_true', help='with --check: allow code of the checkpoint to run'
    )
    parser.add_argument('--run', choices=['-'], help='with --check: reads what a run would do with the checkpoint')
    parser.add_argument(
        '--report-to',
        metavar='TRACKER',
        nargs='*',
        default=[],
        choices=tracker_names(),
        help='with --check: the trackers that the training reports to',
    )
    parser.add_argument('--with-vllm', action='store_true', help='with --check: whether a training can sample by vLLM')
    arguments = parser.parse_args()
    clear_settings()
    know_user()
    if arguments.check:
        prepare_environment(arguments.base_checkpoint or '')
        from trainer.preflight import preflight

        run = json.load(sys.stdin) if arguments.run else {'conversations': [], 'adapter': {'kind': 'none'}}
        return preflight(
            arguments.base_checkpoint, arguments.trust_remote_code, arguments.report_to, run, arguments.with_vllm
        )
    return run_job(arguments.job)


def run_job(job_file):
    """Trains; returns the exit code."""
    stop_requested = stop_on_signals()
    is_first_rank = os.environ.get('RANK', '0') == '0'
    job_file = job_file if is_address(job_file) else os.path.abspath(job_file)
    exit_file = os.path.join(os.path.dirname(job_file), 'exit.json')
    job, lease, workspace, code, message = None, None, None, 0, 'done'
    try:
        job = read_job(job_file)
        if any(map(is_address, (job.outputFolder, job.data, job.baseCheckpoint))):
            from trainer.workspace import Workspace

            workspace = Workspace(job, is_first_rank, stop_requested)
        else:
            os.makedirs(job.outputFolder, exist_ok=True)
        # The lease is taken before the imports, which take seconds: followers must see at once that a trainer runs.
        if is_first_rank:
            lease = workspace.lease() if workspace else Lease(job.outputFolder, job.token, stop_requested)
            lease.acquire()
            if os.environ.get('TORCHELASTIC_RESTART_COUNT', '0') != '0':
                remove_file(exit_file)  # torchrun has restarted all ranks after one failed
        if workspace:
            job = workspace.prepare(lease)
        prepare_environment(job.baseCheckpoint, job.threads)
        if 'WORLD_SIZE' not in os.environ:
            # One process trains on one GPU; torchrun starts one process for each GPU.
            os.environ['CUDA_VISIBLE_DEVICES'] = os.environ.get('CUDA_VISIBLE_DEVICES', '0').split(',')[0]
        train(job, lease, stop_requested)
    except TrainerExit as end:
        code, message = end.exit_code, str(end)
    except StorageUnavailable as error:
        code, message = ConfigurationError.exit_code if error.is_permanent else NO_ROOM, str(error)
    except ImportError as error:
        code, message = ConfigurationError.exit_code, f'{sys.executable}: {error}'
    except Exception as error:
        with contextlib.suppress(OSError):  # the log may be on the full disk too
            traceback.print_exc()
        code = SYSTEM_FAILED if is_system_failure(error) else 1
        message = ' '.join(f'{type(error).__name__}: {error}'.split())[:2000]
        if is_full_disk(error):
            code = NO_ROOM
            # PyTorch and safetensors name no file.
            place = getattr(error, 'filename', None) or os.path.dirname(exit_file)
            place = workspace.folder if workspace else place
            message = f'{place}: the disk is full, or the quota used up. Make room; the training continues by itself from its newest complete checkpoint ({message})'
    if workspace:
        code, message = workspace.save(code, message)
    with contextlib.suppress(OSError):
        if code:
            print(f'trainer: {message}', file=sys.stderr, flush=True)
    if workspace:
        workspace.close()
    # Without the package that buckets need, the reason is only in the log.
    with contextlib.suppress(OSError, ImportError):
        is_unreachable = job is None and code == NO_ROOM
        if (is_first_rank or code) and not is_unreachable and exists(job_file):
            create_json(exit_file, {'exitCode': code, 'message': message})
    if lease:
        lease.release()
    if workspace:
        workspace.remove()
    return code


def is_system_failure(error):
    """Tells whether the operating system refused something, which may pass by itself or not. PyTorch and safetensors wrap its
    errors in errors of their own."""
    return isinstance(error, OSError) or any(text in str(error) for text in ('os error', 'PytorchStreamWriter failed'))


def is_full_disk(error):
    texts = ('No space left on device', 'os error 28', 'Disk quota exceeded', 'os error 122')
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    # PyTorch says only that it could not write; no other cause of this is likely.
    return is_full or any(text in str(error) for text in (*texts, 'PytorchStreamWriter failed writing'))


def train(job, lease, stop_requested):
    result = read_json(os.path.join(job.outputFolder, 'result.json'))
    if result:
        require_same_job(job.identity(), result.get('identity'), job.outputFolder)
        return
    rows = read_rows(job.data, job.method)  # before the imports, which take seconds: a bad row fails at once
    with quick_imports():
        from trainer.fine_tune import fine_tune

    fine_tune(job, rows, lease, stop_requested)


def stop_on_signals():
    """Returns an event that SIGTERM and SIGINT set. The training stops after its next step, with a checkpoint."""
    requested = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: requested.set())
    return requested


def prepare_environment(base_checkpoint, threads=None):
    """Sets the environment variables that torch and transformers read when they are imported."""
    os.environ['HF_HUB_DISABLE_TELEMETRY'] = '1'  # otherwise TRL reports each start
    os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
    if os.path.isdir(base_checkpoint) or is_address(base_checkpoint):
        os.environ['HF_HUB_OFFLINE'] = '1'  # every file is local: do not wait for the network
    if threads:
        os.environ['OMP_NUM_THREADS'] = os.environ['MKL_NUM_THREADS'] = str(threads)


if __name__ == '__main__':
    status = main()
    # Exits without the shutdown of torch's thread pools and CUDA context, which takes up to seconds and saves nothing.
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
