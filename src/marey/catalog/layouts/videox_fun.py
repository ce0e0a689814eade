"""VideoX-Fun: one JSON list of `file_path`, `text` and `type`, with paths inside the folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from marey.catalog.layouts.layout import CLIPS, Written
from marey.catalog.replace import replace_text
from marey.catalog.sample import Sample
from marey.recipe import Export

LIST = "metadata.json"


class VideoXFun:
    """clips/ID.mp4, metadata.json; the folder is its DATASET_NAME and the list its DATASET_META_NAME."""

    name, clips, needs = "videox-fun", CLIPS, None

    def write(self, folder: Path, samples: Sequence[Sample], settings: Export) -> Written:
        """The list. Other keys of an entry are passed over."""
        rows = [
            {"file_path": sample.file, "text": sample.caption, "type": "video", **sample.known()} for sample in samples
        ]
        replace_text(folder / LIST, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
        return Written((LIST, *(sample.file for sample in samples)))
