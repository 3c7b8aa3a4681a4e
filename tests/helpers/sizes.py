"""Networks that take only some image sizes, each with a rule that is known."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Fixed(nn.Module):
    """A classifier with a dense layer over all positions: as in a first tutorial."""

    def __init__(self, side: int = 16) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()
        self.flat = nn.Flatten()
        self.hidden, self.fc = nn.Linear(4 * side**2, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.hidden(self.flat(self.act(self.conv(x)))).relu())
        return out


class Skips(nn.Module):
    """A U-Net of two levels, so sides must be divisible by four."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.act, self.fc = nn.ReLU(), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        high = self.act(self.one(x))
        low = F.max_pool2d(self.act(self.two(high)), 4)
        joined = torch.cat([high, F.interpolate(low, scale_factor=4.0)], 1)
        out: Tensor = self.fc(joined.mean((2, 3)))
        return out


class Embedded(nn.Module):
    """Patches of four pixels, each with a learned position: the grid is fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.position = nn.Conv2d(3, 4, 4, 4), nn.Parameter(torch.randn(1, 24, 4))
        self.mlp, self.act, self.fc = nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2) + self.position
        out: Tensor = self.fc(self.act(self.mlp(tokens)).mean(1))
        return out


class Windows(nn.Module):
    """Maps of half the size, cut into windows of seven by seven."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.fc = nn.Conv2d(3, 4, 2, 2), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.conv(x))
        n, c, h, w = x.shape
        x = x.view(n, c, h // 7, 7, w // 7, 7).amax((3, 5))
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


class Small(nn.Module):
    """Convolutions without padding: sides of at least eleven pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 7), nn.Conv2d(4, 4, 5)
        self.act, self.fc = nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.act(self.two(self.act(self.one(x)))).mean((2, 3)))
        return out


class Square(nn.Module):
    """Takes squares whose sides are divisible by eight."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.act, self.fc = nn.Conv2d(3, 4, 8, 8), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.act(self.patch(x)).flatten(2)
        side = round(tokens.shape[2] ** 0.5)
        if x.shape[2] % 8 or x.shape[3] % 8:
            raise ValueError("not divisible")
        out: Tensor = self.fc(tokens.view(len(x), 4, side, side).mean((2, 3)))
        return out


class Bounded(nn.Module):
    """A table of positions for maps of up to twenty by twenty."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.table = nn.Conv2d(3, 4, 3, padding=1), nn.Embedding(20, 4)
        self.act, self.fc = nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (self.table(torch.arange(n)).T for n in x.shape[-2:])
        x = self.act(self.conv(x) + rows[:, :, None] + columns[:, None])
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


class Tokens(nn.Module):
    """Patches of four pixels as tokens, without positions: sides of at least four pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.mlp = nn.Conv2d(3, 4, 4, 4), nn.Linear(4, 5)
        self.act, self.fc = nn.ReLU(), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        out: Tensor = self.fc(self.act(self.mlp(tokens)).mean(1))
        return out


class WindowTokens(nn.Module):
    """Windows of four by four pixels, folded into the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp, self.act, self.fc = nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        x = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
        out: Tensor = self.fc(self.act(self.mlp(x)).reshape(n, -1, 5).mean(1))
        return out
