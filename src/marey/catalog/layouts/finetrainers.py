"""finetrainers: `metadata.jsonl` beside the clips, which it opens as a video folder, and its data configuration."""

import json
from collections.abc import Sequence
from pathlib import Path

from marey.catalog.layouts.layout import CLIPS, Written, frame_bucket, lines, root
from marey.catalog.replace import replace_text
from marey.catalog.sample import Sample
from marey.recipe import Export

LIST = "metadata.jsonl"
CONFIGURATION = "dataset_config.json"  # a name with "train" in it would be taken for a file of that split
_MULTIPLE = 32  # of the sides of a bucket, for the autoencoders


class Finetrainers:
    """clips/ID.mp4, metadata.jsonl with `file_name` and `caption`, dataset_config.json for --dataset_config."""

    name, clips, needs = "finetrainers", CLIPS, None

    def write(self, folder: Path, samples: Sequence[Sample], settings: Export) -> Written:
        """The list and the configuration. The list's other keys become columns, which the trainer passes over."""
        rows = []
        for sample in samples:
            row = sample.known()
            # Columns want one type in all rows, and captioners differ from clip to clip.
            nested = {key: json.dumps(row.pop(key), ensure_ascii=False) for key in ("captions", "caption_weights")}
            del row["signals"]
            rows.append({"file_name": sample.file, **row, **nested})
        replace_text(folder / LIST, lines(rows))
        buckets = sorted(
            {
                (frame_bucket(sample.frames, settings.frames), _floor(sample.height), _floor(sample.width))
                for sample in samples
            }
        )
        data = {"data_root": root(folder, settings), "dataset_type": "video", "reshape_mode": "bicubic"}
        configuration = {"datasets": [{**data, "video_resolution_buckets": [list(bucket) for bucket in buckets]}]}
        replace_text(folder / CONFIGURATION, json.dumps(configuration, indent=2, ensure_ascii=False) + "\n")
        files = (LIST, CONFIGURATION, *(sample.file for sample in samples))
        return Written(files, (LIST, f"{CLIPS}/*.mp4"))


def _floor(side: int) -> int:
    return max(_MULTIPLE, side - side % _MULTIPLE)
