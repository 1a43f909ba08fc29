"""Finds the checkpoint folders below the served roots, and keeps a few of them loaded."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import torch
from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from llama import Llama
from prefix_cache import PrefixCache

TEMPLATE = "chat_template.jinja"
FILES = ("config.json", "model.safetensors", "tokenizer.json", TEMPLATE)
MAX_LOADED = 4
SEARCH_DEPTH = 8

Version = tuple[tuple[int, int, int, int], ...]


class UnknownModel(LookupError):
    """There is no checkpoint of that name below the roots."""


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model with its tokenizer, its chat template and the cache of its recent prompts."""

    model: Llama
    tokenizer: Tokenizer
    template: Template
    end_ids: frozenset[int]
    prefix_cache: PrefixCache

    @staticmethod
    def load(folder: Path, dtype: torch.dtype = torch.float32, prefix_cache_bytes: int = 0) -> Checkpoint:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        ends = config.get("eos_token_id")
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        return Checkpoint(
            model=Llama(folder, dtype),
            tokenizer=Tokenizer.from_file(str(folder / "tokenizer.json")),
            template=environment.from_string((folder / TEMPLATE).read_text(encoding="utf-8")),
            end_ids=frozenset(ends if isinstance(ends, list) else [] if ends is None else [ends]),
            prefix_cache=PrefixCache(prefix_cache_bytes),
        )

    def encode(self, messages: list[dict[str, str]]) -> list[int]:
        text = self.template.render(messages=messages, add_generation_prompt=True)
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: list[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True)

    def piece(self, token: int) -> str:
        """The text of one token."""
        return self.tokenizer.decode([token])


class Checkpoints:
    """Loads a folder on first use, reloads it when its files change, and keeps the most recently used ones.
    Thread-safe."""

    def __init__(self, roots: list[Path], dtype: torch.dtype, prefix_cache_bytes: int) -> None:
        self.roots = [root.resolve() for root in roots]
        self._dtype, self._prefix_cache_bytes = dtype, prefix_cache_bytes
        self._loaded: OrderedDict[str, tuple[Version, Checkpoint]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> Checkpoint:
        """The checkpoint in the folder `name`, an absolute path. Raises UnknownModel if there is none below the
        roots."""
        with self._lock:
            loaded = self._loaded.pop(name, None)
            if loaded is None or loaded[0] != _version(name):
                # The files that the name leads to have changed; so where they are is to be checked again.
                loaded = self._load(name)
            self._loaded[name] = loaded
            while len(self._loaded) > MAX_LOADED:
                self._loaded.popitem(last=False)
            return loaded[1]

    def _load(self, name: str) -> tuple[Version, Checkpoint]:
        folder = Path(name)
        version = _version(name)
        if not folder.is_absolute() or version is None or not self._is_below_a_root(folder.resolve()):
            roots = ", ".join(str(root) for root in self.roots)
            raise UnknownModel(
                f"The model `{name}` does not exist. The name of a model is the absolute path of its folder, which must "
                f"contain {', '.join(FILES)} and be below one of: {roots}"
            )
        return version, Checkpoint.load(folder, self._dtype, self._prefix_cache_bytes)

    def names(self) -> list[str]:
        """The checkpoint folders below the roots, sorted."""
        found = set()
        for root in self.roots:
            for folder, subfolders, _ in os.walk(root):
                if len(Path(folder).relative_to(root).parts) >= SEARCH_DEPTH:
                    subfolders.clear()
                if _is_checkpoint(Path(folder)):
                    found.add(folder)
        return sorted(found)

    def _is_below_a_root(self, folder: Path) -> bool:
        return any(folder.is_relative_to(root) for root in self.roots)


def _is_checkpoint(folder: Path) -> bool:
    return _version(str(folder)) is not None


def _version(folder: str) -> Version | None:
    """Identifies the files of a checkpoint and their content; None if the folder is not a checkpoint."""
    try:
        stats = [os.stat(f"{folder}/{name}") for name in FILES]
    except (OSError, ValueError):
        return None
    if not all(S_ISREG(stat.st_mode) for stat in stats):
        return None
    return tuple((stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)
