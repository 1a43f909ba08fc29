"""A Llama forward pass for small checkpoints, for sampling many short texts at once on a CPU.

It reads a checkpoint folder as transformers writes it and gives the same logits; it doesn't import transformers, which takes
longer to load than the server takes to start.

A row's logits don't depend on what it is batched with. Three things make it so: each matrix product has its rows in the same
kernel (a single row would take another one, hence MIN_ROWS); attention never mixes rows; and the padding behind a row's own
keys adds exact zeros at the end of its sums.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

MIN_ROWS = 4
# Widths of attention are multiples of this, so that the padding fills whole vectors of the sums.
WIDTH_STEP = 32


class UnsupportedCheckpoint(ValueError):
    """The folder holds a model that this forward pass doesn't cover."""


class Llama:
    def __init__(self, folder: Path) -> None:
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
            self.blocks.append((*norms, *(matrix.t().contiguous() for matrix in matrices)))

    def new_cache(self, rows: int) -> torch.Tensor:
        """Keys and values: [layer, key or value, row, head, position, size]."""
        return torch.zeros(self.layers, 2, rows, self.kv_heads, self.context, self.head_size)

    def prefill(self, ids: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Prompts, right-padded to one width -> logits after each prompt, [row, word], and their keys and values."""
        rows, width = ids.shape
        cos, sin = self.cos[:width], self.sin[:width]
        kept = torch.empty(self.layers, 2, rows, self.kv_heads, width, self.head_size)

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            q, k, v = (x.view(rows, width, -1, self.head_size).transpose(1, 2) for x in (q, k, v))
            q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
            kept[layer, 0], kept[layer, 1] = k, v
            return self._attention(q, k, v, is_causal=True).transpose(1, 2).reshape(rows * width, -1)

        hidden = self._run(ids.flatten(), attend).view(rows, width, -1)
        return self._logits(hidden[torch.arange(rows), lengths - 1]), kept

    def decode(self, ids: torch.Tensor, positions: torch.Tensor, cache: torch.Tensor) -> torch.Tensor:
        """One more word for the first len(ids) rows of the cache -> their logits, [row, word]."""
        rows = len(ids)
        row = torch.arange(rows)
        width = min(self.context, -(-(int(positions.max()) + 1) // WIDTH_STEP) * WIDTH_STEP)
        visible = (torch.arange(width) <= positions[:, None])[:, None, None]
        cos, sin = (table[positions][:, None, None] for table in (self.cos, self.sin))

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            q, k, v = (x.reshape(rows, -1, 1, self.head_size) for x in (q, k, v))
            keys, values = cache[layer]
            keys[row, :, positions] = _rotate(k, cos, sin)[:, :, 0]
            values[row, :, positions] = v[:, :, 0]
            q = _rotate(q, cos, sin)
            mixed = self._attention(q, keys[:rows, :, :width], values[:rows, :, :width], attn_mask=visible)
            return mixed.reshape(rows, -1)

        return self._logits(self._run(ids, attend))

    def _run(self, ids: torch.Tensor, attend) -> torch.Tensor:
        """Flat words -> their hidden states; `attend(layer, q, k, v)` knows which word sees which."""
        x = self.embedding[ids]
        sizes = [self.heads * self.head_size, *[self.kv_heads * self.head_size] * 2]
        for layer, (norm_in, norm_out, qkv, out, gate_up, down) in enumerate(self.blocks):
            q, k, v = _matmul(self._rms_norm(x, norm_in), qkv).split(sizes, dim=1)
            x = x + _matmul(attend(layer, q, k, v), out)
            gate, up = _matmul(self._rms_norm(x, norm_out), gate_up).chunk(2, dim=1)
            x = x + _matmul(F.silu(gate) * up, down)
        return x

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return _matmul(self._rms_norm(hidden, self.norm), self.head)

    def _rms_norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon))

    def _attention(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=self.heads != self.kv_heads, **options)


def _matmul(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    rows = len(x)
    if rows < MIN_ROWS:
        return (F.pad(x, (0, 0, 0, MIN_ROWS - rows)) @ weight)[:rows]
    return x @ weight


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin
