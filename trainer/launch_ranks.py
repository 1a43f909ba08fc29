"""Starts the trainers of one node, one process for each GPU, and ends when they have ended, with one exit code.

    python -m trainer.launch_ranks --nodes 2 --processes 8 --start FOLDER --log FILE -- python -m trainer --job FILE

For schedulers that start one container on each node (Kubernetes); Slurm starts each rank by itself. The number of this
node is JOB_COMPLETION_INDEX, its address POD_IP. The nodes find each other by files in the folder of the start, so they
need neither a service nor a DNS name, and no rank begins before all nodes are there.

Exit code: that of the first rank that failed, 128 + N if signal N killed it; 75 if a rank was stopped; else 0. When a
rank fails, the others have a few seconds to say why they fail too. What the ranks print goes to standard output, and on
the first node to the log, on any other to `node-N.log` in the folder of the start.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from trainer.errors import (
    NO_ROOM,
    NEEDS_FOLDER,
    ConfigurationError,
    Stopped,
    StorageUnavailable,
    TrainerExit,
)
from trainer.files import exists, is_address, read_json, write_json

JOB_FILE_SECONDS = 60  # a network file system may hide a new file for so long
FAILED_RANK_SECONDS = 5


def main():
    parser = argparse.ArgumentParser(prog='python -m trainer.launch_ranks', description='Starts the ranks of one node.')
    parser.add_argument('--nodes', type=int, required=True)
    parser.add_argument('--processes', type=int, required=True, help='on each node')
    parser.add_argument('--start', metavar='FOLDER', required=True, help='the folder of job.json and exit.json')
    parser.add_argument('--log', metavar='FILE', required=True)
    parser.add_argument('command', nargs='+')
    options = parser.parse_args()
    node = int(os.environ.get('JOB_COMPLETION_INDEX', '0'))
    try:
        # The first process of a container ignores a signal without a handler.
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, stop_before_start)
        wait_for_job(options.start)
        master = meet(options.start, node, options.nodes) if options.nodes * options.processes > 1 else None
        log = options.log if node == 0 else os.path.join(options.start, f'node-{node}.log')
        log = None if is_address(log) else log
        return Ranks(options.command, log).run(rank_variables(options, node, master))
    except TrainerExit as end:
        print(f'trainer: {end}', file=sys.stderr, flush=True)
        return end.exit_code
    except StorageUnavailable as error:
        print(f'trainer: {error}', file=sys.stderr, flush=True)
        return ConfigurationError.exit_code if error.is_permanent else NO_ROOM


def stop_before_start(*_):
    raise Stopped('stopped before the start')


def wait_for_job(folder):
    """Waits until the start's job is visible here. A start happens once: Kubernetes may bring up the pod of a suspended job
    again, whose training goes on under another start."""
    deadline = time.monotonic() + JOB_FILE_SECONDS
    while not exists(os.path.join(folder, 'job.json')):
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f'{folder} of the worker is not visible in this container: mount the volume of the store at the same path'
            )
        time.sleep(0.2)
    if exists(os.path.join(folder, 'exit.json')):
        raise Stopped(f'{folder}: this start has ended before')


def meet(folder, node, nodes):
    """Waits until all nodes are there; returns address and port of the first one."""
    address = os.environ.get('POD_IP', '127.0.0.1')
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        own = {'address': address, 'port': probe.getsockname()[1]}
    if is_address(folder):
        if nodes > 1:
            raise ConfigurationError(NEEDS_FOLDER)
        return own
    folder = os.path.join(folder, 'nodes')
    os.makedirs(folder, exist_ok=True)
    write_json(os.path.join(folder, f'{node}.json'), own, durable=False)
    while not all(os.path.exists(os.path.join(folder, f'{each}.json')) for each in range(nodes)):
        time.sleep(0.2)
    return read_json(os.path.join(folder, '0.json'))


def rank_variables(options, node, master):
    """The variables of each rank of this node. A training with one rank needs none."""
    if master is None:
        return [{}]
    shared = {
        'WORLD_SIZE': str(options.nodes * options.processes),
        'MASTER_ADDR': master['address'],
        'MASTER_PORT': str(master['port']),
    }
    return [
        {**shared, 'RANK': str(node * options.processes + local_rank), 'LOCAL_RANK': str(local_rank)}
        for local_rank in range(options.processes)
    ]


class Ranks:
    """The processes of this node."""

    def __init__(self, command, log):
        self._command = command
        self._log = log
        self._running = {}  # the rank of each process with its Popen, which would reap it when it is freed, by process id
        self._first_failure = 0
        self._was_stopped = False
        self._output = threading.Lock()

    def run(self, variables):
        """Starts a process with each of the variables; returns the exit code when all have ended."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda number, _: self._send(number))
        signal.signal(signal.SIGALRM, lambda *_: self._send(signal.SIGKILL))
        readers = [self._start(each) for each in variables]
        while self._running:
            # Reaps every process, because the first process of a container inherits those of others.
            process, status = os.waitpid(-1, 0)
            if process in self._running:
                rank, popen = self._running.pop(process)
                popen.returncode = os.waitstatus_to_exitcode(status)
                self._ended(rank, popen.returncode)
        deadline = time.monotonic() + 5  # a process that a rank has left behind may hold its output open
        for reader in readers:
            reader.join(timeout=max(0, deadline - time.monotonic()))
        return self._first_failure or (Stopped.exit_code if self._was_stopped else 0)

    def _start(self, variables):
        process = subprocess.Popen(
            self._command, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._running[process.pid] = (variables.get('RANK', '0'), process)
        reader = threading.Thread(target=self._copy, args=(process.stdout,), daemon=True)
        reader.start()
        return reader

    def _ended(self, rank, code):
        self._was_stopped = self._was_stopped or code == Stopped.exit_code
        if code in (0, Stopped.exit_code) or self._first_failure:
            return
        self._first_failure = code if code > 0 else 128 - code
        if code < 0:
            self._write(f'rank {rank} was killed by {signal.Signals(-code).name}\n'.encode())
        signal.alarm(FAILED_RANK_SECONDS)

    def _send(self, number):
        for process in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def _copy(self, output):
        while data := os.read(output.fileno(), 1 << 16):
            self._write(data)

    def _write(self, data):
        with self._output:
            if self._log:
                with contextlib.suppress(OSError):  # the disk may be full
                    with open(self._log, 'ab') as log:
                        log.write(data)
            with contextlib.suppress(OSError):
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()


if __name__ == '__main__':
    sys.exit(main())
