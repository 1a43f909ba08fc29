"""Batches the samples of concurrent requests (continuous batching): each step adds one token to every running sample.

A sample joins at the next step and leaves when it is done, so a request never waits until another one is done.
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
from llama import Bucket, Llama
from sampling import Sampling, TokenLogprob, sample_tokens, token_logprobs

MAX_ROWS = 256
# The prompt tokens that one step may read, during which the running rows wait.
PREFILL_TOKENS = 1024
MIN_WIDTH = 128
MIN_SLOTS = 8


@dataclass(frozen=True)
class Completion:
    """`finish_reason` is "stop" after the end token or a stop text, and "length" after max_tokens. `tokens` includes
    the end token, `logprobs` does not."""

    text: str
    finish_reason: str
    tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass
class Job:
    """A request. Sample k uses the seed `seed + k`."""

    checkpoint: Checkpoint
    prompt: list[int]
    samples: int
    seed: int
    sampling: Sampling
    # How many most likely tokens are wanted beside each token; None: not even its log-probability.
    top_logprobs: int | None = None
    result: Future[list[Completion]] = field(default_factory=Future)
    completions: dict[int, Completion] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Makes the future impossible to cancel: setting the result of a cancelled future would raise an exception.
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
    tokens: list[int]
    logprobs: list[TokenLogprob] = field(default_factory=list)


class _Rows:
    """Running samples whose prompt and answer have at most `width` tokens. Row i uses slot i of the cache; when a row
    leaves, the last one takes its place."""

    def __init__(self, model: Llama, width: int) -> None:
        self.width = width
        self.rows: list[_Row] = []
        self._model = model
        self._cache = model.new_cache(0, width)

    def bucket(self) -> Bucket:
        positions = torch.tensor([len(row.job.prompt) + len(row.tokens) - 1 for row in self.rows])
        return Bucket(self._cache, positions)

    def add(self, row: _Row, keys_values: torch.Tensor) -> None:
        slot = len(self.rows)
        if slot == self._cache.shape[2]:
            grown = self._model.new_cache(max(MIN_SLOTS, 2 * slot), self.width)
            grown[:, :, :slot] = self._cache
            self._cache = grown
        self._cache[:, :, slot, :, : keys_values.shape[3]] = keys_values
        self.rows.append(row)

    def remove(self, index: int) -> None:
        last = self.rows.pop()
        if index < len(self.rows):
            self.rows[index] = last
            used = len(last.job.prompt) + len(last.tokens)
            self._cache[:, :, index, :, :used] = self._cache[:, :, len(self.rows), :, :used]


class Batch:
    """The running samples of one checkpoint, grouped by width, so that a long sample does not make the others take more
    cache and attention than they need."""

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
        """The jobs that are not done; a job may appear more than once."""
        return [row.job for row in (*self.waiting, *self.running())]

    def step(self) -> None:
        """Adds a token to each running row, then starts the waiting rows for which there is room."""
        groups = [rows for rows in self._by_width.values() if rows.rows]
        if groups:
            running = self.running()
            ids = torch.tensor([row.tokens[-1] for row in running])
            _append(running, self.checkpoint.model.decode(ids, [rows.bucket() for rows in groups]))
        self._prefill(self._admitted())
        self._remove_finished()

    def _admitted(self) -> list[_Row]:
        """Takes the next waiting rows for which there is room in the cache, but not so many that running rows wait
        long."""
        running = self.running()
        room = self._room - sum(self._width(row) for row in running)
        slots, prompt_tokens = MAX_ROWS - len(running), PREFILL_TOKENS
        admitted: list[_Row] = []
        while self.waiting and slots > len(admitted):
            row = self.waiting[0]
            shared = bool(admitted) and admitted[-1].job is row.job
            room -= self._width(row)
            prompt_tokens -= 0 if shared else len(row.job.prompt)
            if (room < 0 and (running or admitted)) or (prompt_tokens < 0 and admitted):
                break
            admitted.append(self.waiting.popleft())
        return admitted

    def _width(self, row: _Row) -> int:
        """The smallest power of two in which prompt and answer fit, between MIN_WIDTH and the context."""
        needed = len(row.job.prompt) + row.job.sampling.max_tokens
        return min(self.checkpoint.model.context, max(MIN_WIDTH, 1 << (needed - 1).bit_length()))

    def _prefill(self, admitted: list[_Row]) -> None:
        if not admitted:
            return
        jobs = list({id(row.job): row.job for row in admitted}.values())
        prefix_cache = self.checkpoint.prefix_cache
        prefixes = [prefix_cache.find_longest(job.prompt) for job in jobs]
        logits, caches = self.checkpoint.model.prefill([job.prompt for job in jobs], prefixes)
        for job, keys_values in zip(jobs, caches, strict=True):
            prefix_cache.add(job.prompt, keys_values)
        index_of = {id(job): index for index, job in enumerate(jobs)}
        source = [index_of[id(row.job)] for row in admitted]
        _append(admitted, logits[source])
        for row, index in zip(admitted, source, strict=True):
            width = self._width(row)
            if width not in self._by_width:
                self._by_width[width] = _Rows(self.checkpoint.model, width)
            self._by_width[width].add(row, caches[index])

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
        if row.tokens[-1] in self.checkpoint.end_ids:
            return Completion(self.checkpoint.decode(row.tokens[:-1]), "stop", len(row.tokens), tuple(row.logprobs[:-1]))
        if sampling.stop:
            text = self.checkpoint.decode(row.tokens)
            found = [index for index in map(text.find, sampling.stop) if index >= 0]
            if found:
                return Completion(text[: min(found)], "stop", len(row.tokens), tuple(row.logprobs))
        if len(row.tokens) >= sampling.max_tokens:
            return Completion(self.checkpoint.decode(row.tokens), "length", len(row.tokens), tuple(row.logprobs))
        return None


def _append(rows: list[_Row], logits: torch.Tensor) -> None:
    """Samples a token for each row."""
    tokens = sample_tokens(logits, [row.job.sampling for row in rows], [row.generator for row in rows])
    for row, token in zip(rows, tokens, strict=True):
        row.tokens.append(token)
    wanted = [index for index, row in enumerate(rows) if row.job.top_logprobs is not None]
    if wanted:
        tops = [rows[index].job.top_logprobs for index in wanted]
        found = token_logprobs(logits[torch.tensor(wanted)], [tokens[index] for index in wanted], tops)
        for index, logprob in zip(wanted, found, strict=True):
            rows[index].logprobs.append(logprob)


class Engine:
    """Runs the batches of all checkpoints in one thread, one step each in turn."""

    def __init__(self, on_failure: Callable[[Exception], None], cache_bytes: int) -> None:
        self._cache_bytes = cache_bytes
        self._batches: dict[int, Batch] = {}
        self._changed = threading.Condition()
        self._incoming: deque[Job] = deque()
        self._on_failure = on_failure
        # A daemon thread: on SIGTERM the process does not wait for samples that nobody will read.
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
        """Adds new jobs to their batches. Waits for a job if there is nothing to do."""
        with self._changed:
            while not self._batches and not self._incoming:
                self._changed.wait()
            while self._incoming:
                job = self._incoming.popleft()
                key = id(job.checkpoint)
                if key not in self._batches:
                    self._batches[key] = Batch(job.checkpoint, self._cache_bytes)
                self._batches[key].add(job)
