"""Keys and values of prompts that were read before, so that what prompts have in common at their beginning is computed once:
a template's first lines, the instruction of a pair's two orders, the same prompt asked again for more samples."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence

import torch

# A beginning is a multiple of this many words long.
BLOCK = 32


class Beginnings:
    """The prompts that were asked last, up to a number of bytes. A longest beginning is found by its words, block by block."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._prompts: OrderedDict[bytes, torch.Tensor] = OrderedDict()
        self._owner: dict[bytes, bytes] = {}

    def longest(self, prompt: Sequence[int]) -> torch.Tensor | None:
        """Keys and values, `[layer, key or value, head, position, size]`, of the longest known beginning that leaves at least one
        word to read."""
        words = array("i", prompt).tobytes()
        for length in range((len(prompt) - 1) // BLOCK * BLOCK, 0, -BLOCK):
            owner = self._owner.get(words[: length * array("i").itemsize])
            if owner is not None:
                self._prompts.move_to_end(owner)
                return self._prompts[owner][:, :, :, :length]
        return None

    def keep(self, prompt: Sequence[int], kept: torch.Tensor) -> None:
        words = array("i", prompt).tobytes()
        if len(prompt) < BLOCK or words in self._prompts or kept.nbytes > self._limit:
            return
        self._prompts[words] = kept
        self._size += kept.nbytes
        for beginning in _blocks(words):
            self._owner[beginning] = words
        while self._size > self._limit:
            oldest, dropped = self._prompts.popitem(last=False)
            self._size -= dropped.nbytes
            for beginning in _blocks(oldest):
                if self._owner.get(beginning) == oldest:
                    del self._owner[beginning]


def _blocks(words: bytes) -> list[bytes]:
    step = BLOCK * array("i").itemsize
    return [words[:end] for end in range(step, len(words) + 1, step)]
