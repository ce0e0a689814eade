"""Video, text and sound in one space: a small encoder of each, trained on pairs that belong together.

The pictures are looked at once, by the eyes of a judge of events (which learned to see from the states of the game);
what is trained here reads its vectors, a few hundred a second of footage, and takes minutes on one core.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from marey.evaluate.known import RATE, SOUND, Known
from marey.evaluate.learning import fit, networks, seeded
from marey.progress import Progress, silent

BANDS, STEPS = 64, 6
"""Of a spectrum, and spectra to a picture."""
_WINDOW = 1024
_HIGHEST = 6000  # Hz
_BATCH = 192


@dataclass(frozen=True)
class Towers:
    """Trained encoders of video, text and sound."""

    _towers: Any
    _words: Any

    @classmethod
    def trained(cls, seen: np.ndarray, known: Known, *, steps: int, seed: int, progress: Progress = silent) -> "Towers":
        """Trained on clips with sound.

        Args:
            seen: of each clip what `Events.watch` gives, (N, T, 128).
            steps: of 192 clips each.
        """
        import torch

        if known.sounds is None:
            raise ValueError("clips without sound: known.sounds would do")
        network = networks()
        words = network.Words(known.texts)
        towers = seeded(seed, lambda: network.Towers(len(words), BANDS, STEPS))
        number = {text: n for n, text in enumerate(dict.fromkeys(known.texts))}
        which = torch.tensor([number[text] for text in known.texts])
        videos, texts, sounds = torch.from_numpy(seen), words(known.texts), spectra(known.sounds)
        rng = np.random.default_rng([seed, 0x70E])
        batch = min(_BATCH, len(known))

        def loss(_: int) -> Any:
            rows = torch.from_numpy(rng.choice(len(known), batch, replace=False))
            same = which[rows][:, None] == which[rows]
            return towers.loss(videos[rows], texts[rows], sounds[rows], same)

        fit(towers, loss, steps, seed, progress, "training towers", lr=1e-3)
        return cls(towers, words)

    def similarities(self, seen: np.ndarray, known: Known) -> dict[tuple[str, str], np.ndarray]:
        """Cosines float32 (N, N) of each with each, by pair: video and text, video and sound, sound and text."""
        import torch

        assert known.sounds is not None
        videos, texts, sounds = torch.from_numpy(seen), self._words(known.texts), spectra(known.sounds)
        parts: list[Any] = []
        with torch.inference_mode():
            for n in range(0, len(known), 256):
                rows = slice(n, n + 256)
                parts.append(self._towers(videos[rows], texts[rows], sounds[rows]))
        found = {}
        for n, pair in enumerate(self._towers.PAIRS):
            one, other = (torch.cat([part[n][side] for part in parts]) for side in (0, 1))
            found[pair] = (one @ other.mT).numpy()
        return found


def spectra(sounds: np.ndarray) -> Any:
    """Logarithmic spectra of sounds float32 (N, samples) at `SOUND`: a tensor (N, S, BANDS), `STEPS` to a picture."""
    import torch

    hop = SOUND // RATE // STEPS
    shape = torch.hann_window(_WINDOW)
    kept = _HIGHEST * _WINDOW // SOUND
    out = []
    for n in range(0, len(sounds), 64):
        wave = torch.from_numpy(np.ascontiguousarray(sounds[n : n + 64]))
        spectrum = torch.stft(wave, _WINDOW, hop, window=shape, return_complex=True).abs()[:, :kept]
        bands = torch.nn.functional.interpolate(spectrum.mT, size=BANDS, mode="area")
        steps = wave.shape[1] // hop // STEPS * STEPS
        out.append((torch.log(bands[:, :steps] + 1e-2) + 2) / 2)
    return torch.cat(out)
