"""musubi-tuner: lists of `video_path` and `caption`, and a `dataset.toml` that names them.

It takes one source rate a list, so the clips of each rate have a list of their own.
"""

from collections.abc import Sequence
from pathlib import Path

from marey.catalog.layouts.layout import CLIPS, Written, frame_bucket, lines, root, toml_text
from marey.catalog.replace import replace_text
from marey.catalog.sample import Sample
from marey.recipe import Export

CONFIGURATION = "dataset.toml"
_SIDE = 16


class MusubiTuner:
    """clips/ID.mp4, metadata-RATEfps.jsonl with whole paths, dataset.toml for --dataset_config."""

    name, clips, needs = "musubi-tuner", CLIPS, None

    def write(self, folder: Path, samples: Sequence[Sample], settings: Export) -> Written:
        """The lists and the configuration. Other keys of a line go through to the trainer."""
        place = root(folder, settings)
        rates: dict[float, list[Sample]] = {}
        for sample in samples:
            rates.setdefault(round(sample.fps, 3), []).append(sample)
        largest = max(samples, key=lambda sample: (sample.width * sample.height, sample.width))
        text = (
            "[general]\n"
            f"resolution = [{_floor(largest.width)}, {_floor(largest.height)}]\n"
            "batch_size = 1\n"
            "enable_bucket = true\n"
            "bucket_no_upscale = true\n"
        )
        names = []
        for fps, members in sorted(rates.items()):
            name = f"metadata-{fps:g}fps.jsonl"
            rows = ({"video_path": f"{place}/{sample.file}", **sample.known()} for sample in members)
            replace_text(folder / name, lines(rows))
            names.append(name)
            text += (
                "\n[[datasets]]\n"
                f"video_jsonl_file = {toml_text(f'{place}/{name}')}\n"
                f"cache_directory = {toml_text(f'{place}/cache/{fps:g}fps')}\n"
                f"source_fps = {fps!r}\n"
                f"target_frames = {_lengths(members, settings)}\n"
                'frame_extraction = "head"\n'
            )
        replace_text(folder / CONFIGURATION, text)
        return Written((CONFIGURATION, *names, *(sample.file for sample in samples)))


def _lengths(samples: Sequence[Sample], settings: Export) -> list[int]:
    """The buckets' lengths as its models take them, four times a whole number and one."""
    found = {frame_bucket(sample.frames, settings.frames) for sample in samples}
    return sorted({length - (length - 1) % 4 for length in found})


def _floor(side: int) -> int:
    return max(_SIDE, side - side % _SIDE)
