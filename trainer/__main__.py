"""Fine-tunes a judge, or checks that one could be fine-tuned here.

    python -m trainer --job /path/job.json           the job: trainer/job.py
    python -m trainer --check [--base-checkpoint X]  one JSON line {ok, versions, device, problems}; exit 0 or 78

Files of a job, in its output folder: `lease.json` (trainer/lease.py), `progress.jsonl`, `tensorboard/` and what other
trackers keep (trainer/tracking.py), `checkpoints/`, then `model/`
(and `adapter/`, where a LoRA adapter is kept) and last `result.json`: it alone means done. Beside the job file:
`exit.json` {exitCode, message}: how the first rank that failed ended, else rank 0. Launchers such as torchrun don't hand the exit
code on, and where another rank fails, rank 0 waits for it until it is killed.

Exit codes: 0 done, 65 data, 78 configuration (both permanent), 75 stopped with the newest whole checkpoint to go on
from (SIGTERM and SIGINT: at the next step; also where another trainer holds the folder), 74 the machine refused something
(a full disk, a folder that went away): try again, 1 another exception: try again, but not for ever where it comes again and
again at the same step. Anything else: try again. The last line on standard error says what and where. Start it with torchrun for several GPUs; then rank 0 writes the files, but for
`exit.json`.
"""

import argparse
import os
import signal
import sys
import threading
import traceback

from trainer.checkpoints import require_same_job
from trainer.data import read_rows
from trainer.errors import ConfigurationError, TrainerExit
from trainer.files import create_json, read_json
from trainer.job import TRACKERS, read_job
from trainer.lease import Lease


def main():
    parser = argparse.ArgumentParser(prog='python -m trainer', description='Fine-tunes a judge on its own judgments.')
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--job', metavar='FILE', help='train what this job file says')
    what.add_argument('--check', action='store_true', help='only look whether a training could start')
    parser.add_argument('--base-checkpoint', metavar='FOLDER', help='with --check: a folder, or a model hub name')
    parser.add_argument('--trust-remote-code', action='store_true', help='with --check: run code of the checkpoint')
    parser.add_argument(
        '--report-to', metavar='TRACKER', nargs='*', default=[], choices=TRACKERS, help='with --check: what it reports to'
    )
    arguments = parser.parse_args()
    if arguments.check:
        prepare_environment(arguments.base_checkpoint or '', threads=None)
        from trainer.preflight import preflight

        return preflight(arguments.base_checkpoint, arguments.trust_remote_code, arguments.report_to)
    return run(arguments.job)


def run(job_file):
    """Trains; returns the exit code."""
    stop_requested = stop_at_the_next_step()
    first = os.environ.get('RANK', '0') == '0'
    exit_file = os.path.join(os.path.dirname(os.path.abspath(job_file)), 'exit.json')
    lease, code, message = None, 0, 'done'
    try:
        job = read_job(job_file)
        # Before the imports, which take seconds: whoever looks must see at once that somebody is at work.
        os.makedirs(job.outputFolder, exist_ok=True)
        if first:
            lease = Lease(job.outputFolder, job.token)
            lease.acquire()
            if os.environ.get('TORCHELASTIC_RESTART_COUNT', '0') != '0' and os.path.exists(exit_file):
                os.remove(exit_file)  # torchrun has started all ranks again after one had failed
        prepare_environment(job.baseCheckpoint, job.threads)
        if 'WORLD_SIZE' not in os.environ:
            # One process trains on one GPU; for all of them there is torchrun.
            os.environ['CUDA_VISIBLE_DEVICES'] = os.environ.get('CUDA_VISIBLE_DEVICES', '0').split(',')[0]
        train(job, lease, stop_requested)
    except TrainerExit as end:
        code, message = end.exit_code, str(end)
    except ImportError as error:
        code, message = ConfigurationError.exit_code, f'{sys.executable}: {error}'
    except Exception as error:
        traceback.print_exc()
        code = MACHINE_REFUSED if is_of_the_machine(error) else 1
        message = ' '.join(f'{type(error).__name__}: {error}'.split())[:2000]
    if code:
        print(f'trainer: {message}', file=sys.stderr, flush=True)
    if (first or code) and os.path.isfile(job_file):
        create_json(exit_file, {'exitCode': code, 'message': message})
    if lease:
        lease.release()
    return code


MACHINE_REFUSED = 74


def is_of_the_machine(error):
    """Whether the disk, the network or the like is to blame, which somebody may mend meanwhile. PyTorch and safetensors
    wrap what the system says of a file in errors of their own."""
    said = str(error)
    texts = ('No space left on device', 'os error', 'PytorchStreamWriter failed')
    return isinstance(error, OSError) or any(text in said for text in texts)


def train(job, lease, stop_requested):
    result = read_json(os.path.join(job.outputFolder, 'result.json'))
    if result:
        require_same_job(job.identity(), result.get('identity'), job.outputFolder)
        return
    rows = read_rows(job.data, job.method)  # a bad row is found before the seconds that the imports take
    from trainer.fine_tune import fine_tune

    fine_tune(job, rows, lease, stop_requested)


def stop_at_the_next_step():
    """An event that SIGTERM or SIGINT sets; the process goes on to a point where it can stop."""
    requested = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: requested.set())
    return requested


def prepare_environment(base_checkpoint, threads):
    """What must be set before torch and transformers are imported."""
    os.environ['HF_HUB_DISABLE_TELEMETRY'] = '1'  # TRL reports each start otherwise
    os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
    if os.path.isdir(base_checkpoint):
        os.environ['HF_HUB_OFFLINE'] = '1'  # all is here: neither wait for the network nor depend on it
    if threads:
        os.environ['OMP_NUM_THREADS'] = os.environ['MKL_NUM_THREADS'] = str(threads)


if __name__ == '__main__':
    status = main()
    # Leaves without taking torch's thread pools and CUDA context apart, which takes up to seconds and has nothing left
    # to save.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
