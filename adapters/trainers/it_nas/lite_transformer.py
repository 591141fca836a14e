"""The transformer of one mixed edge (IT-NAS, Section 3.2): one layer, one head."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from adapters.trainers.it_nas.settings import ItNasSettings
from harness.supernets.spaces import EdgeSite


class LiteTransformer(nn.Module):
    """Joins an edge's candidates; a ``SupernetOptions.combiner``.

    Tokens are an indicator token and the candidates of ``columns``. ``last`` is the indicator's row
    of the softmax in the latest pass, shape (batch, 1 + tokens), its own attention first, without
    gradient; ``places`` are the tokens' positions in a row with all candidates. A candidate with
    weight 0 in the mixture has no token in that pass; other weights are ignored.
    """

    def __init__(self, site: EdgeSite, given: ItNasSettings, columns: Sequence[int]) -> None:
        super().__init__()
        self.site, self.columns = site, tuple(columns)
        self.last: Tensor | None = None
        self.places = nn.Buffer(
            torch.tensor([0, *(1 + column for column in self.columns)]), persistent=False
        )
        self._returned, self._pre = given.returned, given.norm == "pre"
        whole = site.channels * site.resolution**2
        width = site.channels if given.token == "pool" else given.token_width
        self.embed = _Pool() if given.token == "pool" else _Project(whole, width)
        self.indicator = nn.Parameter(given.indicator_scale * torch.randn(width))
        self.position = _position(given.position, 1 + len(self.columns), width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.first_norm = nn.LayerNorm(width) if self._pre else None
        self.encoder: _Encoder | None = None
        if given.residual or given.returned != "weighted":
            self.encoder = _Encoder(width, site.channels, given)

    def forward(self, outputs: Sequence[Tensor], weights: Tensor) -> Tensor:
        """outputs: of each candidate (batch, channels, height, width); weights: (candidates,)."""
        taken = [outputs[column] for column in self.columns]
        absent = torch.stack([weights[column] for column in self.columns]) == 0
        tokens = self.tokens(taken)
        normed = tokens if self.first_norm is None else self.first_norm(tokens)
        attention = self.attention(normed, absent)
        row = attention[:, 0]
        self.last = row.detach()
        if self._returned == "weighted":
            shares = row[:, 1:]
        else:
            present = (~absent).to(row.dtype)
            shares = (present / present.sum().clamp_min(1)).expand(len(row), -1)
        mixed = _mixed(taken, shares)
        if self.encoder is not None:
            encoded = self.encoder(tokens[:, : attention.shape[1]], normed, attention)
            if self._returned == "mean":
                encoded = (encoded[:, 1:] * shares[:, :, None]).sum(1)
            else:
                encoded = encoded[:, 0]
            mixed = mixed + self.encoder.back(encoded)[:, :, None, None]
        return mixed

    def tokens(self, outputs: Sequence[Tensor]) -> Tensor:
        """Indicator and candidates with their positions, (batch, 1 + tokens, token width)."""
        embedded = torch.stack([self.embed(images) for images in outputs], dim=1)
        indicator = self.indicator.expand(len(embedded), 1, -1)
        return torch.cat([indicator, embedded], dim=1) + self.position

    def attention(self, tokens: Tensor, absent: Tensor) -> Tensor:
        """Rows of the softmax (Eq. 3), (batch, rows, 1 + tokens).

        Only the indicator's row is computed unless others are used, which makes the layer cheap
        (Eq. 4)."""
        asking = tokens if self._returned == "mean" else tokens[:, :1]
        products = self.query(asking) @ self.key(tokens).transpose(1, 2)
        hidden = torch.cat([absent.new_zeros(1), absent])
        scaled = products / math.sqrt(tokens.shape[-1])
        rows: Tensor = scaled.masked_fill(hidden, float("-inf")).softmax(dim=-1)
        return rows


class _Encoder(nn.Module):
    """The layers after the attention: values, residual sums, norms and the feed-forward network."""

    def __init__(self, width: int, channels: int, given: ItNasSettings) -> None:
        super().__init__()
        self._pre = given.norm == "pre"
        hidden = given.feed_forward * width
        self.value = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)
        )
        self.attention_norm = None if self._pre else nn.LayerNorm(width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.back = nn.Linear(width, channels)

    def forward(self, tokens: Tensor, normed: Tensor, attention: Tensor) -> Tensor:
        """tokens: the queries, (batch, rows, width); returns the same shape."""
        x = tokens + attention @ self.value(normed)
        if self.attention_norm is None:
            after: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
            return after
        x = self.attention_norm(x)
        normed_sum: Tensor = self.feed_forward_norm(x + self.feed_forward(x))
        return normed_sum


class _Pool(nn.Module):
    """(batch, channels, height, width) to (batch, channels)."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


class _Project(nn.Module):
    """(batch, channels, height, width) to (batch, width), zeros to zeros."""

    def __init__(self, whole: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(whole, width, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        projected: Tensor = self.linear(images.flatten(1))
        return projected


def _mixed(outputs: Sequence[Tensor], shares: Tensor) -> Tensor:
    """The sum of maps, weighted by each image's shares (batch, maps)."""
    mixed = outputs[0] * shares[:, 0, None, None, None]
    for place, images in enumerate(outputs[1:], start=1):
        mixed = torch.addcmul(mixed, images, shares[:, place, None, None, None])
    return mixed


def _position(kind: str, tokens: int, width: int) -> Tensor:
    """(tokens, width); a parameter where it is learned."""
    if kind == "learned":
        return nn.Parameter(torch.zeros(tokens, width))
    if kind == "none":
        return nn.Buffer(torch.zeros(tokens, width), persistent=False)
    # Vaswani et al., Attention Is All You Need, NeurIPS 2017, Section 3.5.
    place = torch.arange(width)
    rate = 10_000.0 ** (-(place - place % 2) / width)
    angles = torch.arange(tokens)[:, None] * rate
    waves = torch.where(place % 2 == 0, angles.sin(), angles.cos())
    return nn.Buffer(waves, persistent=False)
