"""Batches the samples of concurrent requests: each step gives every running sample one more word.

A sample joins at the next step and leaves when it is done, so a request never waits for another to end.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch

from checkpoints import Checkpoint
from llama import Lane, Llama
from sampling import Sampling, draw

MAX_ROWS = 256
# Words of prompts that are read in one step, while the running rows wait.
PREFILL_WORDS = 1024
MIN_WIDTH = 128
MIN_SLOTS = 8


@dataclass(frozen=True)
class Completion:
    """`finish_reason` is "stop" at the end token or a stop text, "length" at max_tokens. `tokens` counts the end token."""

    text: str
    finish_reason: str
    tokens: int


@dataclass
class Job:
    """A request: sample k draws by seed + k."""

    checkpoint: Checkpoint
    prompt: list[int]
    samples: int
    seed: int
    sampling: Sampling
    result: Future[list[Completion]] = field(default_factory=Future)
    completions: dict[int, Completion] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Nobody can cancel it from now on: a result that is set must not meet a future that was given up.
        self.result.set_running_or_notify_cancel()

    def finish(self, sample: int, completion: Completion) -> None:
        self.completions[sample] = completion
        if len(self.completions) == self.samples:
            self.result.set_result([self.completions[index] for index in range(self.samples)])


@dataclass
class _Row:
    job: Job
    sample: int
    generator: random.Random
    words: list[int]


class _Rows:
    """Running samples whose prompt and answer take at most `width` words. Row i uses slot i of the cache; a row that leaves is
    replaced by the last."""

    def __init__(self, model: Llama, width: int) -> None:
        self.width = width
        self.rows: list[_Row] = []
        self._model = model
        self._cache = model.new_cache(0, width)

    def lane(self) -> Lane:
        positions = torch.tensor([len(row.job.prompt) + len(row.words) - 1 for row in self.rows])
        return Lane(self._cache, positions)

    def add(self, row: _Row, kept: torch.Tensor) -> None:
        slot = len(self.rows)
        if slot == self._cache.shape[2]:
            grown = self._model.new_cache(max(MIN_SLOTS, 2 * slot), self.width)
            grown[:, :, :slot] = self._cache
            self._cache = grown
        self._cache[:, :, slot, :, : kept.shape[3]] = kept
        self.rows.append(row)

    def remove(self, index: int) -> None:
        last = self.rows.pop()
        if index < len(self.rows):
            self.rows[index] = last
            self._cache[:, :, index] = self._cache[:, :, len(self.rows)]


class Batch:
    """The running samples of one checkpoint, by the width that they need: a long one takes no more room in the cache and no
    more attention for the others than its own."""

    def __init__(self, checkpoint: Checkpoint, cache_bytes: int) -> None:
        self.checkpoint = checkpoint
        self.waiting: deque[_Row] = deque()
        self._by_width: dict[int, _Rows] = {}
        self._room = cache_bytes // checkpoint.model.position_bytes()

    def add(self, job: Job) -> None:
        for sample in range(job.samples):
            self.waiting.append(_Row(job, sample, random.Random(job.seed + sample), []))

    def running(self) -> list[_Row]:
        return [row for rows in self._by_width.values() for row in rows.rows]

    def jobs(self) -> list[Job]:
        """The jobs that aren't done, each at least once."""
        return [row.job for row in (*self.waiting, *self.running())]

    def step(self) -> None:
        """Gives each running row a word, and the rows that now find room their first."""
        lanes = [rows for rows in self._by_width.values() if rows.rows]
        if lanes:
            running = self.running()
            ids = torch.tensor([row.words[-1] for row in running])
            _append(running, self.checkpoint.model.decode(ids, [rows.lane() for rows in lanes]))
        self._prefill(self._admitted())
        self._remove_finished()

    def _admitted(self) -> list[_Row]:
        """The rows, in their order, for which there is room in the cache; few enough that the others don't wait long."""
        running = self.running()
        room = self._room - sum(self._width(row) for row in running)
        slots, words = MAX_ROWS - len(running), PREFILL_WORDS
        admitted: list[_Row] = []
        while self.waiting and slots > len(admitted):
            row = self.waiting[0]
            shared = bool(admitted) and admitted[-1].job is row.job
            room -= self._width(row)
            words -= 0 if shared else len(row.job.prompt)
            if (room < 0 and (running or admitted)) or (words < 0 and admitted):
                break
            admitted.append(self.waiting.popleft())
        return admitted

    def _width(self, row: _Row) -> int:
        """Of its lane: the power of two, up to the context, that prompt and answer fit in."""
        needed = len(row.job.prompt) + row.job.sampling.max_tokens
        return min(self.checkpoint.model.context, max(MIN_WIDTH, 1 << (needed - 1).bit_length()))

    def _prefill(self, admitted: list[_Row]) -> None:
        if not admitted:
            return
        jobs = list({id(row.job): row.job for row in admitted}.values())
        beginnings = self.checkpoint.beginnings
        known = [beginnings.longest(job.prompt) for job in jobs]
        logits, kept = self.checkpoint.model.prefill([job.prompt for job in jobs], known)
        for job, keys_and_values in zip(jobs, kept, strict=True):
            beginnings.keep(job.prompt, keys_and_values)
        place = {id(job): index for index, job in enumerate(jobs)}
        source = [place[id(row.job)] for row in admitted]
        _append(admitted, logits[source])
        for row, index in zip(admitted, source, strict=True):
            width = self._width(row)
            if width not in self._by_width:
                self._by_width[width] = _Rows(self.checkpoint.model, width)
            self._by_width[width].add(row, kept[index])

    def _remove_finished(self) -> None:
        for rows in self._by_width.values():
            for index in range(len(rows.rows) - 1, -1, -1):
                row = rows.rows[index]
                completion = self._completed(row)
                if completion is not None:
                    row.job.finish(row.sample, completion)
                    rows.remove(index)

    def _completed(self, row: _Row) -> Completion | None:
        sampling = row.job.sampling
        if row.words[-1] in self.checkpoint.end_ids:
            return Completion(self.checkpoint.decode(row.words[:-1]), "stop", len(row.words))
        if sampling.stop:
            text = self.checkpoint.decode(row.words)
            found = [place for place in map(text.find, sampling.stop) if place >= 0]
            if found:
                return Completion(text[: min(found)], "stop", len(row.words))
        if len(row.words) >= sampling.max_tokens:
            return Completion(self.checkpoint.decode(row.words), "length", len(row.words))
        return None


def _append(rows: list[_Row], logits: torch.Tensor) -> None:
    """Draws a word for each of the rows."""
    words = draw(logits, [row.job.sampling for row in rows], [row.generator for row in rows])
    for row, word in zip(rows, words, strict=True):
        row.words.append(word)


class Engine:
    """One thread that steps the batches of all checkpoints with work in turn."""

    def __init__(self, on_failure: Callable[[Exception], None], cache_bytes: int) -> None:
        self._cache_bytes = cache_bytes
        self._batches: dict[int, Batch] = {}
        self._changed = threading.Condition()
        self._incoming: deque[Job] = deque()
        self._on_failure = on_failure
        # A daemon: on SIGTERM the process doesn't wait for samples that nobody will read.
        threading.Thread(target=self._run, name="engine", daemon=True).start()

    def submit(self, job: Job) -> Future[list[Completion]]:
        with self._changed:
            self._incoming.append(job)
            self._changed.notify()
        return job.result

    def _run(self) -> None:
        try:
            with torch.inference_mode():
                while True:
                    self._take_incoming()
                    for key, batch in list(self._batches.items()):
                        batch.step()
                        if not batch.waiting and not batch.running():
                            del self._batches[key]
        except Exception as error:
            self._on_failure(error)
            self._fail_all(error)
            raise

    def _fail_all(self, error: Exception) -> None:
        with self._changed:
            jobs = [*self._incoming, *(job for batch in self._batches.values() for job in batch.jobs())]
        for job in jobs:
            if not job.result.done():
                job.result.set_exception(error)

    def _take_incoming(self) -> None:
        """Hands new jobs to their batches; waits for one while there is nothing to do."""
        with self._changed:
            while not self._batches and not self._incoming:
                self._changed.wait()
            while self._incoming:
                job = self._incoming.popleft()
                key = id(job.checkpoint)
                if key not in self._batches:
                    self._batches[key] = Batch(job.checkpoint, self._cache_bytes)
                self._batches[key].add(job)
