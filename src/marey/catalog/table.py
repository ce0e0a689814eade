"""The full table: a row a clip with its footage, signals and captions, without a path of this machine."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from marey.catalog.store import Library, Row

_CLIP = {  # column to its Arrow type
    "clip": "string",
    "footage": "string",
    "footage_name": "string",
    "kind": "string",
    "n": "int64",
    "start_frame": "int64",
    "end_frame": "int64",
    "start_pts": "int64",
    "end_pts": "int64",
    "time_base": "string",
    "frames": "int64",
    "seconds": "float64",
    "width": "int64",
    "height": "int64",
    "fps": "float64",
    "status": "string",
    "stage": "string",
    "reason": "string",
    "license": "string",
    "source": "string",
    "credit": "string",
}


def clip_table(library: Library) -> tuple[list[Row], dict[str, str]]:
    """A row a clip, and the columns of all of them with their types: string, int64, float64, or list (of strings)."""
    clips = library.rows(
        "select clips.id as clip, clips.footage, footage.path as footage_name, footage.kind, clips.n, "
        "clips.start_frame, clips.end_frame, clips.start_pts, clips.end_pts, footage.time_base, clips.frames, "
        "clips.seconds, clips.width, clips.height, clips.fps, clips.status, clips.stage, clips.reason, "
        "footage.license, footage.source, footage.credit "
        "from clips left join footage on footage.id = clips.footage order by clips.footage, clips.n, clips.id"
    )
    columns = dict(_CLIP)
    signals: dict[str, dict[str, str]] = {}  # by name: which column of a signal's row goes to which of the table
    for row in library.rows(
        "select name, count(value) as n, count(data) as texts from signals group by name order by name"
    ):
        column = row["name"] if row["name"] not in columns else f"signal_{row['name']}"
        signals[row["name"]] = places = {}
        if row["n"] or not row["texts"]:
            places["value"] = column
            columns[column] = "float64"
        if row["texts"]:
            places["data"] = f"{column}_data" if row["n"] else column
            columns[places["data"]] = "string"
    captioners = [
        row["captioner"] for row in library.rows("select distinct captioner from captions order by captioner")
    ]
    columns |= {"caption": "string"} | {f"caption_{name}": "string" for name in captioners}
    columns["selections"] = "list"

    known = library.signals()
    captions: dict[str, dict[str, str]] = {}
    for row in library.rows("select clip, captioner, text from captions where status = 'ok' order by clip, captioner"):
        captions.setdefault(row["clip"], {})[row["captioner"]] = row["text"]
    members: dict[str, list[str]] = {}
    for row in library.rows("select clip, selection from selected order by clip, selection"):
        members.setdefault(row["clip"], []).append(row["selection"])
    for clip in clips:
        path = clip["footage_name"] or ""
        clip["footage_name"] = base_name(path)
        clip["reason"] = clip["reason"].replace(path, base_name(path)) if path else clip["reason"]
        for name, row in known.get(clip["clip"], {}).items():
            clip |= {column: row[part] for part, column in signals[name].items()}
        said = captions.get(clip["clip"], {})
        clip |= {f"caption_{name}": text for name, text in said.items()}
        clip["caption"] = said.get("file") or next(iter(said.values()), None)  # what a person wrote comes first
        clip["selections"] = members.get(clip["clip"], [])
    return clips, columns


def base_name(path: str) -> str:
    """The last part of a path of either kind of system."""
    return (PureWindowsPath(path) if "\\" in path else PurePosixPath(path)).name


def write_parquet(path: Path, rows: list[Row], columns: dict[str, str]) -> None:
    """Write rows as a Parquet file; pyarrow must be there. Other columns of a row are left out."""
    import pyarrow as arrow
    from pyarrow import parquet

    types = {
        "string": arrow.string(),
        "int64": arrow.int64(),
        "float64": arrow.float64(),
        "list": arrow.list_(arrow.string()),
    }
    schema = arrow.schema([(name, types[kind]) for name, kind in columns.items()])
    parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), path)
