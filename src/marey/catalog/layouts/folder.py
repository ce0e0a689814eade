"""A folder of `x.mp4` and `x.txt` with one table: what most tools read, and a Hugging Face data set as it is."""

import json
from collections.abc import Sequence
from pathlib import Path

from marey.catalog.layouts.layout import CLIPS, Written
from marey.catalog.replace import replace_file, replace_text
from marey.catalog.sample import Sample
from marey.catalog.table import write_parquet
from marey.recipe import Export

TABLE = "metadata.parquet"
_COLUMNS = {
    "file_name": "string",
    "clip": "string",
    "caption": "string",
    "caption_weights": "string",  # JSON by captioner
    "frames": "int64",
    "width": "int64",
    "height": "int64",
    "fps": "float64",
    "seconds": "float64",
    "motion": "float64",
    "motion_bucket": "int64",
    "footage": "string",
    "footage_name": "string",
    "start_pts": "int64",
    "end_pts": "int64",
    "time_base": "string",
    "mode": "string",
    "license": "string",
    "source": "string",
    "credit": "string",
}


class Folder:
    """clips/ID.mp4, clips/ID.txt, metadata.parquet with captions by captioner and every signal."""

    name, clips, needs = "folder", CLIPS, ("pyarrow", "parquet")

    def write(self, folder: Path, samples: Sequence[Sample], settings: Export) -> Written:
        """The texts and the table, whose column `file_name` the Hub's video folders want."""
        texts = []
        for sample in samples:
            text = f"{sample.file.removesuffix('.mp4')}.txt"
            replace_text(folder / text, sample.caption + "\n")
            texts.append(text)
        captioners = sorted({name for sample in samples for name in sample.captions})
        signals = sorted({name for sample in samples for name in sample.signals} - _COLUMNS.keys())
        columns = _COLUMNS | {f"caption_{name}": "string" for name in captioners} | dict.fromkeys(signals, "float64")
        rows = []
        for sample in samples:
            row = sample.known()
            weights = json.dumps(row.pop("caption_weights"), ensure_ascii=False)
            said = {f"caption_{name}": text for name, text in sample.captions.items()}
            rows.append(sample.signals | row | said | {"file_name": sample.file, "caption_weights": weights})
        replace_file(folder / TABLE, lambda path: write_parquet(path, rows, columns))
        return Written((TABLE, *texts, *(sample.file for sample in samples)), (TABLE, f"{CLIPS}/*.mp4"))
