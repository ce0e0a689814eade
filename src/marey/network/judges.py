"""Small networks that judge clips: what happens in them, what belongs together, and what each pixel is.

They are for worlds in which everything is known, are trained from nothing in minutes on a processor, and are no
measure of anything outside the world that they were trained on. What is costly are the first layers, at full size:
hence two-dimensional convolutions of each picture and its difference to the one before, batch normalisation (which is
cheap where channels lie together in memory), and all that is temporal on one vector a picture.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 128
"""Of what is known of one picture, and of the common space."""
_WORD = re.compile(r"[a-z]+|\d+")


class Watcher(nn.Module):
    """Videos uint8 (B, T, H, W, 3) to one vector a picture, which knows some pictures before and after.

    Each picture goes in with its difference to the one before. A few heads look each at one place of it (a softmax over
    the picture), so that what is small is not lost, and say where that is. A place is a cell of 8 by 8 pixels.
    """

    def __init__(self, width: int = WIDTH, channels: Sequence[int] = (24, 48, 96), heads: int = 4) -> None:
        super().__init__()
        one, two, three = channels
        sizes = [(6, one, 2), (one, two, 2), (two, two, 1), (two, three, 2), (three, three, 1)]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride, 1, bias=False) for a, b, stride in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b, _ in sizes)
        self.look = nn.Conv2d(three, heads, 1)
        self.out = nn.Linear(three * (heads + 1) + 2 * heads, width)
        self.mix = nn.ModuleList(nn.Conv1d(width, width, 3, padding=step, dilation=step) for step in (1, 2, 4))
        self.mix_norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in self.mix)

    def forward(self, videos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of each picture one vector (B, T, width), features of its cells (B * T, channels, h, w), and where each head
        looks (B * T, heads, h * w)."""
        x = (videos if videos.is_floating_point() else videos.float() / 127.5 - 1).permute(0, 1, 4, 2, 3)
        change = torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:] - x[:, :-1]], dim=1)
        x = torch.cat([x, change], dim=2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            y = F.relu(norm(layer(x)))
            x = x + y if x.shape == y.shape else y
        where = self.look(x).float().flatten(2).softmax(-1)  # (B * T, heads, h * w)
        flat = x.float().flatten(2)
        h, w = x.shape[-2:]
        rows, columns = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
        places = where @ torch.stack([rows.flatten(), columns.flatten()], dim=-1).to(where)
        seen = torch.cat([(where @ flat.mT).flatten(1), flat.amax(-1), places.flatten(1)], dim=-1)
        z = F.relu(self.out(seen)).unflatten(0, videos.shape[:2]).mT  # (B, width, T)
        for layer, norm in zip(self.mix, self.mix_norms, strict=True):
            z = z + F.relu(norm(layer(z)))
        return z.mT.float(), x, where


class EventReader(nn.Module):
    """What happens in a video (B, T, H, W, 3): logits (B, events). An event is found at some picture: its logit is a
    soft maximum over time.

    For training alone it also says what is the case at each picture, and what is in each cell of it; and its first head
    is told to look at the hero.
    """

    def __init__(self, events: int, moments: int, things: int, channels: Sequence[int] = (24, 48, 96)) -> None:
        super().__init__()
        self.watcher = Watcher(channels=channels)
        self.events = nn.Linear(WIDTH, events)
        self.moments = nn.Linear(WIDTH, moments)
        self.things = nn.Conv2d(channels[-1], things, 1)

    def forward(self, videos: Tensor) -> Tensor:
        """Logits of events, float32."""
        return self._happened(self.watcher(videos)[0])

    def loss(
        self, videos: Tensor, events: Tensor, moments: Tensor | None, weights: Tensor | None, cells: Tensor | None
    ) -> Tensor:
        """Cross entropies, summed.

        Args:
            events: (B, events), 0 or 1.
            moments: (B, T, moments), 0 or 1.
            weights: of the moments, (moments,).
            cells: (B, T, h, w), what is in each cell, a bit a thing; the hero's is the last but one.
        """
        seen, places, where = self.watcher(videos)
        total = F.binary_cross_entropy_with_logits(self._happened(seen), events) * 2
        if moments is not None:
            each = F.binary_cross_entropy_with_logits(self.moments(seen).float(), moments, reduction="none")
            total = total + 0.2 * (each.mean((0, 1)) * weights).sum()
        if cells is not None:
            count = self.things.out_channels
            flat = cells.flatten(0, 1).long()
            there = (flat[:, None] >> torch.arange(count)[:, None, None]) & 1  # (B * T, things, h, w)
            each = F.binary_cross_entropy_with_logits(self.things(places).float(), there.float(), reduction="none")
            hero = there[:, count - 2].flatten(1)
            looked = -torch.log((where[:, 0] * hero).sum(1) + 1e-4)[hero.any(1)]
            total = total + each.mean((0, 2, 3)).sum() + 0.1 * looked.sum() / len(flat)
        return total

    def _happened(self, seen: Tensor) -> Tensor:
        return torch.logsumexp(self.events(seen).float() - 3, dim=1)


class Sequential(nn.Module):
    """Vectors in a row, (B, T, wide), to the same number of vectors that know of each other: a small transformer."""

    def __init__(self, wide: int, longest: int, layers: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(longest, wide) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(wide, heads, 2 * wide, 0.1, "gelu", batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(wide)

    def forward(self, x: Tensor, absent: Tensor | None = None) -> Tensor:
        """absent: (B, T), true where there is nothing."""
        x = x + self.places[: x.shape[1]]
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=absent)
        return self.norm(x)


class VideoTower(nn.Module):
    """What a `Watcher` saw, (B, T, seen), to features for texts (B, WIDTH) and, moment by moment, for sounds (B, T,
    beat)."""

    def __init__(self, seen: int = WIDTH, beat: int = 16, longest: int = 128) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.LayerNorm(seen), nn.Linear(seen, WIDTH))
        self.body = Sequential(WIDTH, longest)
        self.out = nn.Linear(2 * WIDTH, WIDTH)
        self.beat = nn.Linear(WIDTH, beat)

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the whole, and of each moment."""
        x = self.body(self.enter(seen))
        return self.out(torch.cat([x.mean(1), x.amax(1)], dim=-1)), self.beat(x)


class TextTower(nn.Module):
    """Word numbers (B, L), 0 for nothing, to features (B, WIDTH)."""

    def __init__(self, words: int, longest: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, WIDTH, padding_idx=0)
        self.body = Sequential(WIDTH, longest)
        self.out = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, words: Tensor) -> Tensor:
        """Features of the whole."""
        words = words[:, : max(1, int((words > 0).sum(1).max()))]
        absent = words == 0
        x = self.body(self.embed(words), absent)
        there = (~absent)[..., None]
        mean = (x * there).sum(1) / there.sum(1).clamp(min=1)
        return self.out(torch.cat([mean, x.masked_fill(~there, -1e4).amax(1)], dim=-1))


class SoundTower(nn.Module):
    """Logarithmic spectra (B, S, bands), `steps` to a picture, to the same as `VideoTower`."""

    def __init__(self, bands: int, steps: int, beat: int = 16, longest: int = 128) -> None:
        super().__init__()
        self.near = nn.Sequential(
            nn.Conv1d(bands, WIDTH, 3, padding=1), nn.ReLU(), nn.Conv1d(WIDTH, WIDTH, steps, stride=steps), nn.ReLU()
        )
        self.body = Sequential(WIDTH, longest)
        self.out = nn.Linear(2 * WIDTH, WIDTH)
        self.beat = nn.Linear(WIDTH, beat)

    def forward(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the whole, and of each moment."""
        x = self.body(self.near(spectra.mT).mT)
        return self.out(torch.cat([x.mean(1), x.amax(1)], dim=-1)), self.beat(x)


class Towers(nn.Module):
    """Three towers in one space, with a scale of cosines for each pair (Radford et al. 2021, "Learning transferable
    visual models"): each starts at 1 / 0.07 and never passes 100.

    Video and sound run side by side, so they meet moment by moment: the features of all moments, end to end, are one
    vector. A text only tells the order.
    """

    PAIRS = (("video", "text"), ("video", "sound"), ("sound", "text"))

    def __init__(self, words: int, bands: int, steps: int) -> None:
        super().__init__()
        self.video, self.text, self.sound = VideoTower(), TextTower(words), SoundTower(bands, steps)
        self.log_scale = nn.Parameter(torch.full((3,), math.log(1 / 0.07)))

    def forward(self, seen: Tensor, words: Tensor, spectra: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Unit vectors of both sides of each of `PAIRS`."""
        (video, shown), (sound, heard), text = self.video(seen), self.sound(spectra), self.text(words)
        moments = min(shown.shape[1], heard.shape[1])
        shown, heard = shown[:, :moments].flatten(1), heard[:, :moments].flatten(1)
        pairs = ((video, text), (shown, heard), (sound, text))
        return [(F.normalize(one.float(), dim=-1), F.normalize(other.float(), dim=-1)) for one, other in pairs]

    def loss(self, seen: Tensor, words: Tensor, spectra: Tensor, same: Tensor) -> Tensor:
        """Symmetric cross entropy of each pair, summed; `same` (B, B) is true where two items bear the same text, which
        is no mistake."""
        total = seen.new_zeros(())
        itself = torch.eye(len(seen), dtype=torch.bool, device=same.device)
        for n, (one, other) in enumerate(self(seen, words, spectra)):
            scores = self.log_scale[n].exp().clamp(max=100) * one @ other.mT
            wanted = (itself if self.PAIRS[n] == ("video", "sound") else same).float()
            wanted = wanted / wanted.sum(1, keepdim=True)
            total = total + F.cross_entropy(scores, wanted) / 2
            total = total + F.cross_entropy(scores.mT, wanted) / 2
        return total


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
