"""Open-Sora: one CSV with its columns, and behind them what else is known."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from marey.catalog.layouts.layout import CLIPS, Written, root
from marey.catalog.replace import replace_text
from marey.catalog.sample import Sample
from marey.recipe import Export

LIST = "metadata.csv"


class OpenSora:
    """clips/ID.mp4, metadata.csv with whole paths."""

    name, clips, needs = "open-sora", CLIPS, None

    def write(self, folder: Path, samples: Sequence[Sample], settings: Export) -> Written:
        """The list: path, text, num_frames, height, width, aspect_ratio (height over width), resolution (pixels of a
        frame), fps; then the rest."""
        place, rows = root(folder, settings), []
        for sample in samples:
            rest = sample.known()
            for name in ("caption", "frames", "height", "width", "fps"):
                del rest[name]
            for name in ("captions", "caption_weights", "signals"):
                rest[name] = json.dumps(rest[name], ensure_ascii=False)
            rows.append(
                {
                    "path": f"{place}/{sample.file}",
                    "text": sample.caption,
                    "num_frames": sample.frames,
                    "height": sample.height,
                    "width": sample.width,
                    "aspect_ratio": round(sample.height / sample.width, 6),
                    "resolution": sample.height * sample.width,
                    "fps": round(sample.fps, 6),
                    **rest,
                }
            )
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        replace_text(folder / LIST, text.getvalue())
        return Written((LIST, *(sample.file for sample in samples)))
