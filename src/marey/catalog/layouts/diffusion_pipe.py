"""diffusion-pipe: a folder of clips with `captions.json`, and a `dataset.toml` that names it.

Its captions are lists, all of which are trained on. A caption stands in the list as often as its weight wants, so that
an epoch sees a clip once for each entry.
"""

import json
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from marey.catalog.layouts.layout import CLIPS, Written, frame_bucket, lines, root, toml_text
from marey.catalog.replace import replace_text
from marey.catalog.sample import Sample
from marey.recipe import Export

CAPTIONS, CONFIGURATION, REST = f"{CLIPS}/captions.json", "dataset.toml", "samples.jsonl"
_MOST_ENTRIES = 8
_SIDE = 16


class DiffusionPipe:
    """clips/ID.mp4, clips/captions.json, dataset.toml, and samples.jsonl with what it has no place for."""

    name, clips, needs = "diffusion-pipe", CLIPS, None

    def write(self, folder: Path, samples: Sequence[Sample], settings: Export) -> Written:
        """The captions, the configuration and the rest."""
        captions = {Path(sample.file).name: repeated(sample.captions, sample.caption_weights) for sample in samples}
        replace_text(folder / CAPTIONS, json.dumps(captions, indent=1, ensure_ascii=False) + "\n")
        ratios = [sample.width / sample.height for sample in samples]
        side = sorted(math.sqrt(sample.width * sample.height) for sample in samples)[len(samples) // 2]
        lengths = sorted({frame_bucket(sample.frames, settings.frames) for sample in samples} | {1})
        replace_text(
            folder / CONFIGURATION,
            f"resolutions = [{max(_SIDE, round(side / _SIDE) * _SIDE)}]\n"
            f"enable_ar_bucket = true\n"
            f"min_ar = {min(ratios):.4f}\n"
            f"max_ar = {max(ratios):.4f}\n"
            f"num_ar_buckets = {1 if max(ratios) - min(ratios) < 1e-3 else 7}\n"
            f"frame_buckets = {lengths}\n\n"
            f"[[directory]]\n"
            f"path = {toml_text(f'{root(folder, settings)}/{CLIPS}')}\n"
            f"num_repeats = 1\n",
        )
        replace_text(folder / REST, lines({"file": sample.file, **sample.known()} for sample in samples))
        return Written((CAPTIONS, CONFIGURATION, REST, *(sample.file for sample in samples)))


def repeated(captions: Mapping[str, str], weights: Mapping[str, float]) -> list[str]:
    """Captions, each as often as its weight wants, in whole numbers and few of them.

    >>> repeated({"image": "a", "video": "b"}, {"image": 0.75, "video": 0.25})
    ['a', 'a', 'a', 'b']
    """
    kept = {name: weight for name, weight in weights.items() if weight > 0}
    if not kept:
        return [next(iter(captions.values()), "")]
    total = sum(kept.values())
    shares = {name: Fraction(weight / total).limit_denominator(_MOST_ENTRIES) for name, weight in kept.items()}
    whole = min(_MOST_ENTRIES, math.lcm(*(share.denominator for share in shares.values())))
    if any(not share for share in shares.values()):  # too small a share for few entries: as few as can be
        whole = _MOST_ENTRIES
    return [captions[name] for name, share in kept.items() for _ in range(max(1, round(share / total * whole)))]
