"""Samples tokens from logits. Each row has its own random generator, so its text depends on its seed only."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

# A nucleus rarely has more tokens, and sorting a large vocabulary takes longer than the model itself.
TOP_TOKENS = 512


@dataclass(frozen=True)
class Sampling:
    """With `temperature` 0 the most likely token is taken. `top_p` samples from the fewest most likely tokens whose
    probabilities sum to at least that value (nucleus sampling)."""

    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...]


def sample_tokens(logits: torch.Tensor, settings: list[Sampling], generators: list[random.Random]) -> list[int]:
    """Samples one token for each row of logits."""
    tokens = logits.argmax(-1)
    rows = [row for row, setting in enumerate(settings) if setting.temperature > 0]
    if not rows:
        return tokens.tolist()
    sampled = torch.tensor(rows)
    temperature = torch.tensor([[settings[row].temperature] for row in rows], dtype=torch.float64)
    probabilities = (logits[sampled].double() / temperature).softmax(-1)
    limited = [index for index, row in enumerate(rows) if settings[row].top_p < 1]
    if limited:
        top_p = torch.tensor([[settings[rows[index]].top_p] for index in limited], dtype=torch.float64)
        probabilities[limited] = _nucleus(probabilities[limited], top_p)
    # Inverse transform sampling: the first token whose cumulative probability is above the row's uniform random number.
    cumulative = probabilities.cumsum(-1)
    uniform = torch.tensor([[generators[row].random()] for row in rows], dtype=torch.float64)
    found = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)[:, 0]
    tokens[sampled] = found.clamp_max(logits.shape[1] - 1)
    return tokens.tolist()


@dataclass(frozen=True)
class TokenLogprob:
    """A token that was sampled, its log-probability, and the most likely tokens at its place. The values are those of the
    model itself, whatever temperature and top_p are."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


def token_logprobs(logits: torch.Tensor, tokens: list[int], tops: list[int]) -> list[TokenLogprob]:
    """For each row of logits its token and as many most likely tokens as wanted."""
    values = logits.double().log_softmax(-1)
    found = []
    for row, token, top in zip(values, tokens, tops, strict=True):
        likely, order = row.topk(min(top, len(row)))
        pairs = tuple(zip(order.tolist(), likely.tolist(), strict=True))
        found.append(TokenLogprob(token, row[token].item(), pairs))
    return found


def _nucleus(probabilities: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Sets the probabilities outside the nucleus to zero (Holtzman et al. 2020). The most likely token always stays."""
    if probabilities.shape[-1] <= TOP_TOKENS:
        return _keep_nucleus(probabilities, top_p, *probabilities.sort(dim=-1, descending=True, stable=True))
    ordered, order = probabilities.topk(TOP_TOKENS, dim=-1)
    found = _keep_nucleus(probabilities, top_p, ordered, order)
    wide = (ordered.sum(-1, keepdim=True) < top_p)[:, 0]
    if wide.any():
        ordered, order = probabilities[wide].sort(dim=-1, descending=True, stable=True)
        found[wide] = _keep_nucleus(probabilities[wide], top_p[wide], ordered, order)
    return found


def _keep_nucleus(
    probabilities: torch.Tensor, top_p: torch.Tensor, ordered: torch.Tensor, order: torch.Tensor
) -> torch.Tensor:
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(probabilities).scatter(-1, order, ordered.where(before < top_p, 0.0))
