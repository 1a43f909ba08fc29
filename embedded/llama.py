"""A Llama forward pass for small checkpoints, made to sample many short texts at once on a CPU.

It reads a checkpoint folder in the layout of transformers and computes the same logits. It does not import
transformers, because that import takes longer than the start of the server.

The logits of a row do not depend on the other rows of its batch, for three reasons: all matrix products use the same
kernel (a single row would use another one, hence MIN_ROWS); attention never mixes rows; and the padding after the keys
of a row adds exact zeros at the end of its sums.

In bfloat16 the weights of the blocks, the keys and the values take half the memory and matrix products are twice as
fast. The residual stream, norms and logits stay float32.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

MIN_ROWS = 4
# The width of attention is a multiple of this, so that the padding fills complete vectors of the sums.
WIDTH_STEP = 32


class UnsupportedCheckpoint(ValueError):
    """The folder contains a model that this forward pass does not support."""


@dataclass(frozen=True)
class Bucket:
    """Running rows that share one cache of keys and values, `[layer, key or value, row, head, position, size]`."""

    cache: torch.Tensor
    positions: torch.Tensor
    """The position of the next input token of each of the first `len(positions)` rows."""


class Llama:
    def __init__(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        self.dtype = dtype
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10000.0)}
        unsupported = [
            f"{name} {found!r}"
            for name, found, allowed in (
                ("model_type", config.get("model_type"), ("llama",)),
                ("rope_type", rope.get("rope_type", "default"), ("default",)),
                ("hidden_act", config.get("hidden_act"), ("silu",)),
                ("attention_bias", config.get("attention_bias", False), (False,)),
                ("mlp_bias", config.get("mlp_bias", False), (False,)),
            )
            if found not in allowed
        ]
        if unsupported:
            raise UnsupportedCheckpoint(f"{folder}: not supported: {', '.join(unsupported)}")
        self.context: int = config["max_position_embeddings"]
        self.layers: int = config["num_hidden_layers"]
        self.heads: int = config["num_attention_heads"]
        self.kv_heads: int = config["num_key_value_heads"]
        self.head_size: int = config.get("head_dim") or config["hidden_size"] // self.heads
        self.grouped = self.heads != self.kv_heads
        self.epsilon: float = config["rms_norm_eps"]
        self._read_weights(load_file(folder / "model.safetensors"), tied=config["tie_word_embeddings"])
        inverse = 1.0 / rope["rope_theta"] ** (torch.arange(0, self.head_size, 2).float() / self.head_size)
        angles = torch.outer(torch.arange(self.context).float(), inverse).repeat(1, 2)
        self.cos, self.sin = angles.cos(), angles.sin()

    def _read_weights(self, weights: dict[str, torch.Tensor], *, tied: bool) -> None:
        weights = {name.removeprefix("model."): weight.float() for name, weight in weights.items()}
        self.embedding = weights["embed_tokens.weight"]
        self.norm = weights["norm.weight"]
        self.head = (self.embedding if tied else weights["lm_head.weight"]).t().contiguous()
        self.blocks = []
        for layer in range(self.layers):

            def get(name: str, prefix: str = f"layers.{layer}.") -> torch.Tensor:
                return weights[f"{prefix}{name}.weight"]

            qkv = torch.cat([get(f"self_attn.{name}_proj") for name in "qkv"])
            gate_up = torch.cat([get("mlp.gate_proj"), get("mlp.up_proj")])
            matrices = [qkv, get("self_attn.o_proj"), gate_up, get("mlp.down_proj")]
            norms = [get("input_layernorm"), get("post_attention_layernorm")]
            self.blocks.append((*norms, *(matrix.t().to(self.dtype).contiguous() for matrix in matrices)))

    def new_cache(self, rows: int, width: int) -> torch.Tensor:
        """An empty cache of keys and values, `[layer, key or value, row, head, position, size]`."""
        return torch.zeros(self.layers, 2, rows, self.kv_heads, width, self.head_size, dtype=self.dtype)

    def position_bytes(self) -> int:
        """The bytes that one position of one row takes in a cache."""
        return self.layers * 2 * self.kv_heads * self.head_size * self.dtype.itemsize

    def prefill(
        self, prompts: Sequence[Sequence[int]], prefixes: Sequence[torch.Tensor | None]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Reads prompts. `prefixes` has the cached keys and values of the beginning of each prompt, or None.

        Returns the logits after each prompt, `[prompt, token]`, and the keys and values of each prompt,
        `[layer, key or value, head, position, size]`."""
        past = [0 if prefix is None else prefix.shape[3] for prefix in prefixes]
        shapes = [(length, len(prompt) - length) for prompt, length in zip(prompts, past, strict=True)]
        # Prompts with equally many cached and new tokens are read as one batch: each operation costs more than its sums.
        order = sorted(range(len(prompts)), key=shapes.__getitem__)
        groups = [(shape, list(members)) for shape, members in groupby(order, key=shapes.__getitem__)]
        caches = [self._cache_of([prefixes[index] for index in members], *shape) for shape, members in groups]
        # Prompts with a prefix need a mask that says which query attends to which key.
        visible = [torch.ones(n, n + p, dtype=torch.bool).tril(p) if p else None for (p, n), _ in groups]
        ids = torch.tensor([token for index in order for token in prompts[index][past[index] :]])
        positions = torch.cat([torch.arange(p, p + n).repeat(len(members)) for (p, n), members in groups])
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        sizes = [n * len(members) for (_, n), members in groups]

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            q, k, v = (x.view(len(ids), -1, self.head_size) for x in (q, k, v))
            q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
            mixed = []
            for ((p, n), members), part_q, part_k, part_v, cache, mask in zip(
                groups, q.split(sizes), k.split(sizes), v.split(sizes), caches, visible, strict=True
            ):
                rows_q, rows_k, rows_v = (
                    x.view(len(members), n, -1, self.head_size).transpose(1, 2) for x in (part_q, part_k, part_v)
                )
                keys, values = cache[layer]
                keys[:, :, p:], values[:, :, p:] = rows_k, rows_v
                options = {"is_causal": True} if mask is None else {"attn_mask": mask}
                rows = F.scaled_dot_product_attention(
                    rows_q.to(self.dtype), keys, values, enable_gqa=self.grouped, **options
                )
                mixed.append(rows.transpose(1, 2).reshape(len(part_q), -1))
            return torch.cat(mixed)

        hidden = self._run(ids, attend)
        new = torch.tensor([shapes[index][1] for index in order])
        logits = self._logits(hidden[new.cumsum(0) - 1])
        found = dict(zip(order, (cache[:, :, row] for cache in caches for row in range(cache.shape[2])), strict=True))
        # Copies, so that the cache of one prompt does not keep those of its whole group in memory.
        return logits[torch.tensor(order).argsort()], [found[index].clone() for index in range(len(prompts))]

    def _cache_of(self, prefixes: Sequence[torch.Tensor | None], past: int, new: int) -> torch.Tensor:
        """A cache for prompts with equally many cached tokens, which it has already, and new ones, which it lacks."""
        shape = (self.layers, 2, len(prefixes), self.kv_heads, past + new, self.head_size)
        cache = torch.empty(shape, dtype=self.dtype)
        if past:
            torch.stack(prefixes, dim=2, out=cache[:, :, :, :, :past])
        return cache

    def decode(self, ids: torch.Tensor, buckets: Sequence[Bucket]) -> torch.Tensor:
        """Reads one token for each row, bucket after bucket. Returns the logits after it, `[row, token]`."""
        positions = torch.cat([bucket.positions for bucket in buckets])
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        sizes = [len(bucket.positions) for bucket in buckets]
        rows = [torch.arange(size) for size in sizes]
        visible = [_visible(bucket, self.context) for bucket in buckets]
        group = self.heads // self.kv_heads

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            q, k, v = (x.reshape(len(ids), -1, self.head_size) for x in (q, k, v))
            q, k = _rotate(q, cos, sin).to(self.dtype), _rotate(k, cos, sin).to(self.dtype)
            mixed = []
            for bucket, row, mask, part_q, part_k, part_v in zip(
                buckets, rows, visible, q.split(sizes), k.split(sizes), v.split(sizes), strict=True
            ):
                keys, values = bucket.cache[layer]
                keys[row, :, bucket.positions], values[row, :, bucket.positions] = part_k, part_v.to(self.dtype)
                width = mask.shape[-1]
                # Queries that share keys (grouped-query attention) are rows of one product: keys are not repeated for each.
                queries = part_q.view(len(row), self.kv_heads, group, self.head_size)
                options = {"attn_mask": mask.expand(-1, -1, group, -1)}
                part = F.scaled_dot_product_attention(
                    queries, keys[: len(row), :, :width], values[: len(row), :, :width], **options
                )
                mixed.append(part.reshape(len(row), -1))
            return torch.cat(mixed)

        return self._logits(self._run(ids, attend))

    def _run(self, ids: torch.Tensor, attend) -> torch.Tensor:
        """Returns the hidden states of a flat list of tokens. `attend(layer, q, k, v)` applies the attention between
        them."""
        x = self.embedding[ids]
        sizes = [self.heads * self.head_size, *[self.kv_heads * self.head_size] * 2]
        for layer, (norm_in, norm_out, qkv, out, gate_up, down) in enumerate(self.blocks):
            q, k, v = _matmul(self._rms_norm(x, norm_in).to(self.dtype), qkv).split(sizes, dim=1)
            x = x + _matmul(attend(layer, q, k, v), out)
            gate, up = _matmul(self._rms_norm(x, norm_out).to(self.dtype), gate_up).chunk(2, dim=1)
            x = x + _matmul(F.silu(gate) * up, down)
        return x

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return _matmul(self._rms_norm(hidden, self.norm), self.head)

    def _rms_norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon))


def _visible(bucket: Bucket, context: int) -> torch.Tensor:
    """The keys that each row of a bucket attends to, `[row, 1, 1, key]`."""
    width = min(context, -(-(int(bucket.positions.max()) + 1) // WIDTH_STEP) * WIDTH_STEP)
    return (torch.arange(width) <= bucket.positions[:, None])[:, None, None]


def _matmul(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    rows = len(x)
    if rows < MIN_ROWS:
        return (F.pad(x, (0, 0, 0, MIN_ROWS - rows)) @ weight)[:rows]
    return x @ weight


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Applies the rotary position embedding."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin
