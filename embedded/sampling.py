"""Draws words from logits, each row by a generator of its own: a row's text follows from its seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

# A nucleus seldom has more words, and sorting a large vocabulary takes longer than the model itself.
LIKELIEST = 512


@dataclass(frozen=True)
class Sampling:
    """`temperature` 0 takes the likeliest word; `top_p` keeps the likeliest words that together reach that share."""

    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...]


def draw(logits: torch.Tensor, settings: list[Sampling], generators: list[random.Random]) -> list[int]:
    """One word for each row of logits."""
    words = logits.argmax(-1)
    rows = [row for row, setting in enumerate(settings) if setting.temperature > 0]
    if not rows:
        return words.tolist()
    index = torch.tensor(rows)
    temperature = torch.tensor([[settings[row].temperature] for row in rows], dtype=torch.float64)
    share = (logits[index].double() / temperature).softmax(-1)
    limited = [place for place, row in enumerate(rows) if settings[row].top_p < 1]
    if limited:
        places = torch.tensor(limited)
        top_p = torch.tensor([[settings[rows[place]].top_p] for place in limited], dtype=torch.float64)
        share[places] = _nucleus(share[places], top_p)
    # Inverse of the cumulative distribution at a uniform number of the row's own: the first word above it.
    cumulative = share.cumsum(-1)
    uniform = torch.tensor([[generators[row].random()] for row in rows], dtype=torch.float64)
    found = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)[:, 0]
    words[index] = found.clamp_max(logits.shape[1] - 1)
    return words.tolist()


def _nucleus(share: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Sets the shares outside the nucleus to zero (Holtzman et al. 2020); the likeliest word always stays."""
    if share.shape[-1] <= LIKELIEST:
        return _likeliest(share, top_p, *share.sort(dim=-1, descending=True, stable=True))
    ordered, order = share.topk(LIKELIEST, dim=-1)
    found = _likeliest(share, top_p, ordered, order)
    wide = (ordered.sum(-1, keepdim=True) < top_p)[:, 0]
    if wide.any():
        found[wide] = _likeliest(share[wide], top_p[wide], *share[wide].sort(dim=-1, descending=True, stable=True))
    return found


def _likeliest(share: torch.Tensor, top_p: torch.Tensor, ordered: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(share).scatter(-1, order, ordered.where(before < top_p, 0.0))
