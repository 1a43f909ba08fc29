"""Caches keys and values of prompts, so that a prefix that several prompts share is computed once.

Prompts share the first lines of a template, the instruction of a pair in its two orders, or the full prompt when more
samples are requested.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence

import torch

# The length of a prefix is a multiple of this many tokens.
BLOCK = 8


class PrefixCache:
    """Holds the most recently used prompts, up to a number of bytes. Prefixes are found by their tokens, block by
    block."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._prompts: OrderedDict[bytes, torch.Tensor] = OrderedDict()
        self._owner: dict[bytes, bytes] = {}

    def find_longest(self, prompt: Sequence[int]) -> torch.Tensor | None:
        """Keys and values, `[layer, key or value, head, position, size]`, of the longest cached prefix of the prompt.
        At least one token of the prompt is not part of the prefix."""
        tokens = array("i", prompt).tobytes()
        for length in range((len(prompt) - 1) // BLOCK * BLOCK, 0, -BLOCK):
            owner = self._owner.get(tokens[: length * array("i").itemsize])
            if owner is not None:
                self._prompts.move_to_end(owner)
                return self._prompts[owner][:, :, :, :length]
        return None

    def add(self, prompt: Sequence[int], keys_values: torch.Tensor) -> None:
        tokens = array("i", prompt).tobytes()
        if len(prompt) < BLOCK or tokens in self._prompts or keys_values.nbytes > self._limit:
            return
        self._prompts[tokens] = keys_values
        self._size += keys_values.nbytes
        for prefix in _prefixes(tokens):
            self._owner[prefix] = tokens
        while self._size > self._limit:
            oldest, dropped = self._prompts.popitem(last=False)
            self._size -= dropped.nbytes
            for prefix in _prefixes(oldest):
                if self._owner.get(prefix) == oldest:
                    del self._owner[prefix]


def _prefixes(tokens: bytes) -> list[bytes]:
    step = BLOCK * array("i").itemsize
    return [tokens[:end] for end in range(step, len(tokens) + 1, step)]
