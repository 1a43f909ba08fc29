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
from llama import WIDTH_STEP
from sampling import Sampling, draw

MAX_ROWS = 256


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


class Batch:
    """The running samples of one checkpoint. Row i uses slot i of the cache; a row that leaves is replaced by the last."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.waiting: deque[Job] = deque()
        self.rows: list[_Row] = []
        self.cache = checkpoint.model.new_cache(0)

    def jobs(self) -> list[Job]:
        """The jobs that aren't done, each at least once."""
        return [*self.waiting, *(row.job for row in self.rows)]

    def step(self) -> None:
        """Admits what fits, then gives each running row a word."""
        admitted: list[Job] = []
        room = MAX_ROWS - len(self.rows)
        while self.waiting and self.waiting[0].samples <= room:
            room -= self.waiting[0].samples
            admitted.append(self.waiting.popleft())
        running = len(self.rows)
        if running:
            ids = torch.tensor([row.words[-1] for row in self.rows])
            positions = torch.tensor([len(row.job.prompt) + len(row.words) - 1 for row in self.rows])
            logits = self.checkpoint.model.decode(ids, positions, self.cache)
            self._append(0, logits)
        # Prompts whose width is the same together: a prompt's padding follows from its own length.
        by_width: dict[int, list[Job]] = {}
        for job in admitted:
            by_width.setdefault(-(-len(job.prompt) // WIDTH_STEP) * WIDTH_STEP, []).append(job)
        for width, jobs in by_width.items():
            self._prefill(min(width, self.checkpoint.model.context), jobs)
        self._remove_finished()

    def _prefill(self, width: int, jobs: list[Job]) -> None:
        ids = torch.tensor([job.prompt + [0] * (width - len(job.prompt)) for job in jobs])
        logits, kept = self.checkpoint.model.prefill(ids, torch.tensor([len(job.prompt) for job in jobs]))
        first = len(self.rows)
        source = []
        for index, job in enumerate(jobs):
            for sample in range(job.samples):
                self.rows.append(_Row(job, sample, random.Random(job.seed + sample), []))
                source.append(index)
        if len(self.rows) > self.cache.shape[2]:
            grown = self.checkpoint.model.new_cache(min(MAX_ROWS, 2 * len(self.rows)))
            grown[:, :, :first] = self.cache[:, :, :first]
            self.cache = grown
        self.cache[:, :, first : len(self.rows), :, :width] = kept[:, :, source]
        self._append(first, logits[source])

    def _append(self, first: int, logits: torch.Tensor) -> None:
        """Draws a word for the rows from `first` on, one for each row of logits."""
        rows = self.rows[first : first + len(logits)]
        words = draw(logits, [row.job.sampling for row in rows], [row.generator for row in rows])
        for row, word in zip(rows, words, strict=True):
            row.words.append(word)

    def _remove_finished(self) -> None:
        for index in range(len(self.rows) - 1, -1, -1):
            row = self.rows[index]
            completion = self._completed(row)
            if completion is None:
                continue
            row.job.finish(row.sample, completion)
            last = self.rows.pop()
            if index < len(self.rows):
                self.rows[index] = last
                self.cache[:, :, index] = self.cache[:, :, len(self.rows)]

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


class Engine:
    """One thread that steps the batches of all checkpoints with work in turn."""

    def __init__(self, on_failure: Callable[[Exception], None]) -> None:
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
                        if not batch.rows and not batch.waiting:
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
                    self._batches[key] = Batch(job.checkpoint)
                self._batches[key].waiting.append(job)
