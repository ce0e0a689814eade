"""Small networks that judge clips: towers that meet in one space, a classifier of events, a reader of labels.

They are for worlds in which everything is known, are trained from nothing in minutes on a processor, and are no
measure of anything outside the world that they were trained on.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 128
"""Of the common space."""
_WORD = re.compile(r"[a-z]+|\d+")


class VideoTower(nn.Module):
    """Clips (B, T, 3, H, W) in -1..1 to features (B, out): three-dimensional convolutions, then mean and maximum over
    time and place, so that what is short is not lost in what is long."""

    def __init__(self, out: int = WIDTH, wide: int = 32) -> None:
        super().__init__()
        sizes = [
            (3, wide, (1, 2, 2)),
            (wide, 2 * wide, (2, 2, 2)),
            (2 * wide, 3 * wide, (2, 2, 2)),
            (3 * wide, 4 * wide, (1, 1, 1)),
        ]
        self.layers = nn.ModuleList(nn.Conv3d(a, b, 3, stride, 1) for a, b, stride in sizes)
        self.norms = nn.ModuleList(nn.GroupNorm(8, b) for _, b, _ in sizes)
        self.out = nn.Linear(8 * wide, out)

    def forward(self, video: Tensor) -> Tensor:
        """Features (B, out)."""
        x = video.transpose(1, 2)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.silu(norm(layer(x)))
        flat = x.flatten(2)
        return self.out(torch.cat([flat.mean(-1), flat.amax(-1)], dim=-1))


class TextTower(nn.Module):
    """Word numbers (B, L), 0 for nothing, to features (B, out)."""

    def __init__(self, words: int, out: int = WIDTH, wide: int = 96) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, wide, padding_idx=0)
        self.near = nn.ModuleList(nn.Conv1d(wide, wide, 3, padding=1) for _ in range(2))
        self.out = nn.Linear(2 * wide, out)

    def forward(self, words: Tensor) -> Tensor:
        """Features (B, out)."""
        there = (words > 0)[:, None].float()
        x = self.embed(words).transpose(1, 2)
        for layer in self.near:
            x = x + F.silu(layer(x)) * there
        mean = (x * there).sum(-1) / there.sum(-1).clamp(min=1)
        most = x.masked_fill(there == 0, -1e4).amax(-1)
        return self.out(torch.cat([mean, most], dim=-1))


class SoundTower(nn.Module):
    """Sound (B, N) in -1..1 to features (B, out), by its logarithmic spectrogram."""

    def __init__(self, out: int = WIDTH, wide: int = 32, window: int = 800) -> None:
        super().__init__()
        self.window = window
        sizes = [(1, wide, 2), (wide, 2 * wide, 2), (2 * wide, 3 * wide, 2)]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride, 1) for a, b, stride in sizes)
        self.norms = nn.ModuleList(nn.GroupNorm(8, b) for _, b, _ in sizes)
        self.out = nn.Linear(6 * wide, out)

    def forward(self, sound: Tensor) -> Tensor:
        """Features (B, out)."""
        shape = torch.hann_window(self.window, device=sound.device)
        spectrum = torch.stft(sound, self.window, self.window // 2, window=shape, return_complex=True).abs()
        x = torch.log(spectrum[:, : self.window // 4] + 1e-2)[:, None]
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.silu(norm(layer(x)))
        flat = x.flatten(2)
        return self.out(torch.cat([flat.mean(-1), flat.amax(-1)], dim=-1))


class Towers(nn.Module):
    """Two towers and the scale of their cosines (Radford et al. 2021, "Learning transferable visual models"): it starts
    at 1 / 0.07 and never passes 100."""

    def __init__(self, one: nn.Module, other: nn.Module) -> None:
        super().__init__()
        self.one, self.other = one, other
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Unit features (B, width) of both."""
        return F.normalize(self.one(a), dim=-1), F.normalize(self.other(b), dim=-1)

    def loss(self, a: Tensor, b: Tensor, same: Tensor) -> Tensor:
        """Symmetric cross entropy; `same` (B, B) is true where two items bear the same text, which is no mistake."""
        one, other = self(a, b)
        scores = self.log_scale.exp().clamp(max=100) * one @ other.T
        wanted = same.float() / same.float().sum(1, keepdim=True)
        return (
            F.cross_entropy(scores, wanted) + F.cross_entropy(scores.T, wanted.T / wanted.T.sum(1, keepdim=True))
        ) / 2


class LabelReader(nn.Module):
    """The label of every pixel from colours alone: pictures (B, 3, H, W) in -1..1 to scores (B, labels, H, W)."""

    def __init__(self, labels: int, wide: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, wide, 3, padding=1)
        self.down = nn.Conv2d(wide, 2 * wide, 3, 2, 1)
        self.deep = nn.ModuleList(nn.Conv2d(2 * wide, 2 * wide, 3, padding=step, dilation=step) for step in (1, 2, 4))
        self.up = nn.Conv2d(3 * wide, wide, 3, padding=1)
        self.out = nn.Conv2d(wide, labels, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores (B, labels, H, W)."""
        fine = F.silu(self.first(pictures))
        x = F.silu(self.down(fine))
        for layer in self.deep:
            x = x + F.silu(layer(x))
        x = F.interpolate(x, size=fine.shape[-2:], mode="nearest")
        return self.out(F.silu(self.up(torch.cat([x, fine], dim=1))))


class Words:
    """The words of some texts, numbered from 1 by how common they are; the unknown one is 1."""

    def __init__(self, texts: Iterable[str]) -> None:
        counts = Counter(word for text in texts for word in _WORD.findall(text.lower()))
        self._number = {
            word: n + 2 for n, (word, _) in enumerate(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
        }

    def __len__(self) -> int:
        return len(self._number) + 2

    def __call__(self, texts: Sequence[str], length: int = 48) -> Tensor:
        """Numbers (B, length), 0 beyond the end."""
        out = torch.zeros(len(texts), length, dtype=torch.long)
        for row, text in enumerate(texts):
            words = [self._number.get(word, 1) for word in _WORD.findall(text.lower())][:length]
            out[row, : len(words)] = torch.tensor(words, dtype=torch.long)
        return out
