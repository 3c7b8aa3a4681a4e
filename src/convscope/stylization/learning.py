"""One step of the training of a style network, and its state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torch.nn.parallel import DistributedDataParallel

from convscope.stylization.losses import ManyStyles, roughness
from convscope.stylization.network import StyleNetwork
from convscope.stylization.settings import Settings
from convscope.stylization.team import Team

WARM = 100  # steps in which the learning rate rises
LEANING = 12.0  # how much more the content counts at the beginning

LEANS = 0.25  # the part of the steps, at the beginning, in which this falls to 1

FALL = 0.35  # the part of the steps, at the end, in which it falls to nothing

# Each style learns from few of the pictures, so its own numbers move faster than those of all.
OWN = 5.0


class Losses(NamedTuple):
    """The mean losses of the pictures of a step."""

    style: float
    content: float
    roughness: float


class Learner:
    """A style network and its optimizer. A step is a function of its number and nothing else.

    Args:
        net: the network that learns.
        wanted: the loss.
        settings: of the training.
        team: the processes that share a batch.
        device: where it runs.
    """

    def __init__(
        self,
        net: StyleNetwork,
        wanted: ManyStyles,
        settings: Settings,
        team: Team,
        device: torch.device,
    ) -> None:
        self.net, self.wanted, self.settings = net.to(device), wanted, settings
        self.team, self.device = team, device
        self._shared = net if team.size == 1 else DistributedDataParallel(net)
        shared: list[Tensor] = []
        own: list[Tensor] = []
        for name, one in net.named_parameters():
            if one.requires_grad:
                (own if name.endswith(("gamma", "beta")) else shared).append(one)
        groups = [(shared, 1.0), (own, OWN)]
        self.optimizer = torch.optim.Adam(
            [{"params": some, "factor": factor} for some, factor in groups if some], lr=settings.lr
        )
        self.done = 0

    def step(self, photos: Tensor) -> Losses:
        """Learn from photographs (N, 3, H, W)."""
        rows, noise = self._random(photos)
        photos = photos.to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.lr * self._pace() * group["factor"]
        weights = one_hot(rows, len(self.net.styles)).to(self.device).float()
        with self._mixed():
            pictures = self._shared(photos + noise.to(self.device), weights)
        style, content = self.wanted(pictures, photos, rows.to(self.device))
        rough = roughness(pictures)
        self.optimizer.zero_grad(set_to_none=True)
        (style + self._leaning() * content + self.settings.roughness * rough).mean().backward()
        self.optimizer.step()
        self.done += 1
        return Losses(*(float(one.detach().mean()) for one in (style, content, rough)))

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on as if it were this one."""
        return {
            "step": self.done,
            "network": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.net.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.done = state["step"]

    def _random(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """The style of each picture, and noise as in a video of a still scene.

        Of a team, each process takes its part of what one process alone would have.
        """
        count, styles = self.settings.batch_size, len(self.net.styles)
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.done)
        amount = torch.rand(count, 1, 1, 1, generator=generator) * self.settings.noise
        noise = amount * torch.randn(count, *photos.shape[1:], generator=generator)
        places = range(self.done * count, (self.done + 1) * count)
        rows = torch.stack([self._row(place, styles) for place in places])
        own = slice(self.team.rank * len(photos), (self.team.rank + 1) * len(photos))
        return rows[own], noise[own]

    def _row(self, place: int, styles: int) -> Tensor:
        """The style of a picture: every style comes once before any comes again."""
        turn, within = divmod(place, styles)
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_033 + turn)
        return torch.randperm(styles, generator=generator)[within]

    def _leaning(self) -> float:
        """How much more the content counts now than at the end.

        A network that has once lost sight of the photograph does not find it again.
        """
        return float(LEANING ** max(0.0, 1 - self.done / (self.settings.steps * LEANS)))

    def _pace(self) -> float:
        """The learning rate now, in parts of the largest."""
        steps = self.settings.steps
        fall = math.ceil(steps * FALL)
        left = min(1.0, (steps - self.done) / fall)
        return min(1.0, (self.done + 1) / WARM) * left

    def _mixed(self) -> AbstractContextManager[Any]:
        """Half precision where the processor is faster with it."""
        on = self.device.type == "cuda" or _fast_bfloat16()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on)


def _fast_bfloat16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported())
