"""The road from a recipe: samples, curate, select, encode, train, generate, evaluate, report.

Every step is resumable by itself; here each is keyed by the step before it and by its own settings, so that a second
run calls nothing twice. What a step took is written to `runs/NAME/steps.json`.
"""

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import marey
from marey.catalog import Exported, Library
from marey.errors import MareyError
from marey.progress import Progress, silent
from marey.recipe import Export, Generate, Recipe

if TYPE_CHECKING:
    from marey.generate.generate import Generated
    from marey.worlds.source import Source

STEPS = ("samples", "curate", "select", "encode", "train", "generate", "evaluate", "report")


@dataclass(frozen=True)
class Road:
    """Where a run ended: its folder, its report, and what each step took."""

    library: str
    run: str
    report: str
    steps: list[dict[str, Any]]
    """One a step: step, status (done | kept), seconds and peak_mb of the time it was done, result."""


def run(recipe: Recipe, library: Path, *, name: str = "tiny", progress: Progress = silent) -> Road:
    """Go the whole road of `recipe` in `library`, from where it was left.

    Raises:
        MareyError: a step cannot be done; the sentence says what would do. Whatever was finished before stays.
    """
    library = Path(library).expanduser().resolve()
    folder = library / "runs" / name
    world = world_of(recipe)
    if recipe.footage.folder is None:
        footage = library.parent / "footage" if library.name == "library" else library / "footage"
    else:
        footage = Path(recipe.footage.folder).expanduser()
        if not footage.exists():
            raise MareyError(f"footage.folder is {str(footage)!r}, which is not there: a folder of footage would do.")
    steps = _Steps(folder, progress)

    if recipe.footage.folder is None and world is None:
        steps.do(
            "samples", str(recipe.seed), lambda: samples(footage, seed=recipe.seed, progress=progress), _made(footage)
        )

    from marey.curate import curate

    # The folder is looked through each time: a new file is new work. The ledger keeps it from being more than that.
    steps.do(
        "curate",
        None,
        lambda: curate(
            footage if world is None else world,
            library,
            footage_settings=recipe.footage,
            settings=recipe.curate,
            workers=recipe.workers,
            progress=progress,
        ),
    )
    recipe.save(folder / "recipe.toml")
    with Library.open(library, write=True) as store:
        steps.key(_digest(store))
        _select_to_report(recipe, store, folder, steps, progress)
    return Road(str(library), str(folder), str(folder / "report" / "index.html"), steps.ended)


def world_of(recipe: Recipe) -> "Source | None":
    """The world whose clips are the recipe's footage, if it names one.

    Raises:
        MareyError: it names a folder too, or a policy or motion that there is not.
    """
    from marey.worlds.source import Source

    said = recipe.footage.world
    if said is None:
        return None
    if recipe.footage.folder is not None:
        raise MareyError("The recipe has both footage.folder and footage.world: one of them would do.")
    return Source(said.name, said.clips, said.seconds, said.size, said.seed, said.only)


def samples(out: Path, *, seed: int = 0, progress: Progress = silent) -> dict[str, Any]:
    """Fetch the sample footage, and make the footage that Marey makes itself (worlds), into `out`.

    Returns: the files, with licence, source and credit of each.
    """
    from marey.samples import fetch
    from marey.worlds.footage import make

    out = Path(out).expanduser()
    fetched = fetch(out, progress=progress)
    made = make(out, out, seed=seed, progress=progress)
    return {"folder": str(out), "fetched": [_plain(sample) for sample in fetched], "made": [path.name for path in made]}


def generate(
    library: Library,
    run_folder: Path,
    model: Path,
    settings: Generate,
    *,
    selection: str,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "auto",
    progress: Progress = silent,
) -> "Generated":
    """Animate the held-out windows of a selection with a model, into `run_folder/samples`.

    Raises:
        MareyError: the selection is not encoded, nothing is held out, or the model cannot be opened.
    """
    from marey.generate import Model
    from marey.generate.generate import Still
    from marey.generate.generate import generate as animate
    from marey.train.batches import spread
    from marey.train.pixels import stacked
    from marey.train.windows import encoded

    fact = library.facts.get(f"encode/{selection}")
    if fact is None:
        raise MareyError(f"The selection {selection!r} is not encoded in {library.path}: `marey encode` would do.")
    heldout = [window for window in encoded(library, fact["pixels"]) if window.heldout and not window.photo]
    if settings.windows is not None:
        heldout = [heldout[n] for n in spread(len(heldout), settings.windows)]
    sources = {row["id"]: row["source"] for row in library.rows("select id, source from footage")}
    stills = [
        Still(
            id=window.id,
            frames=stacked(library, fact["pixels"], [window])[0],
            fps=window.fps,
            motion=window.motion_bucket,
            info={
                "clip": window.clip,
                "footage": window.footage,
                "group": window.group,
                "real": not sources.get(window.footage, "").startswith("made by Marey"),
                "caption": window.caption,
            },
        )
        for window in heldout
    ]
    opened = Model.open(model, device=device, dtype=dtype)
    made = library.facts.get(f"model/{Path(model).name}", {})
    return animate(
        opened,
        stills,
        run_folder / "samples",
        settings,
        source=json.dumps([str(model), made], sort_keys=True),
        seed=seed,
        progress=progress,
    )


def export(
    library: Library,
    out: Path,
    settings: Export | None = None,
    *,
    selection: str = "selected",
    workers: int = 2,
    progress: Progress = silent,
) -> Exported:
    """A selection's clips as files, written in guarded worker processes; see `marey.catalog.export`.

    Args:
        workers: processes, each with one source at a time; 0: this process, unguarded.

    Raises:
        MareyError: as `marey.catalog.export` does.
    """
    from marey.catalog import export as work
    from marey.engine import run as engine

    return work(library, out, settings, selection=selection, run=partial(engine, workers=workers), progress=progress)


def _select_to_report(recipe: Recipe, store: Library, folder: Path, steps: "_Steps", progress: Progress) -> None:
    from marey.catalog import publish, select
    from marey.evaluate import evaluate
    from marey.report import report
    from marey.train import encode, train
    from marey.worlds.source import drawn

    name = recipe.select.name

    def choose() -> Any:
        chosen = select(store, recipe.select, progress=progress)
        with contextlib.suppress(
            ImportError
        ):  # the catalog is published where pyarrow is; `marey doctor` says where it is not
            publish(store)
        return {"selection": chosen.name, "clips": len(chosen.clips), "hash": chosen.hash}

    steps.do("select", recipe.select.fingerprint(), choose)
    steps.do(
        "encode",
        recipe.encode.fingerprint() + str(recipe.seed),
        lambda: encode(
            store,
            recipe.encode,
            name,
            seed=recipe.seed,
            run_folder=folder,
            device=recipe.device,
            progress=progress,
            drawn=drawn,
        ),
    )
    steps.do(
        "train",
        recipe.train.fingerprint() + str(recipe.seed),
        lambda: train(
            store, folder, recipe.train, recipe.encode, name, seed=recipe.seed, device=recipe.device, progress=progress
        ),
        lambda: (store.path / "models" / recipe.train.name / "model_index.json").is_file(),
    )
    steps.do(
        "generate",
        recipe.generate.fingerprint() + str(recipe.seed),
        lambda: generate(
            store,
            folder,
            store.path / "models" / recipe.train.name,
            recipe.generate,
            selection=name,
            seed=recipe.seed,
            device=recipe.device,
            dtype=recipe.dtype,
            progress=progress,
        ),
        lambda: (folder / "samples" / "videos.safetensors").is_file(),
    )
    steps.do(
        "evaluate",
        recipe.evaluate.fingerprint() + str(recipe.seed),
        lambda: evaluate(store, folder, recipe.evaluate, selection=name, seed=recipe.seed, progress=progress),
        lambda: (folder / "metrics.json").is_file(),
    )
    steps.do(
        "report",
        recipe.report.fingerprint(),
        lambda: report(store, folder, recipe.report, selection=name, progress=progress),
        lambda: (folder / "report" / "index.html").is_file(),
    )


class _Steps:
    """The steps of one run, each keyed by all that came before it, written to steps.json after each."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._file = folder / "steps.json"
        self._progress = progress
        self._key = marey.__version__
        self._known: dict[str, dict[str, Any]] = {}
        self.ended: list[dict[str, Any]] = []
        if self._file.is_file():
            self._known = {row["step"]: row for row in json.loads(self._file.read_text(encoding="utf-8"))}

    def key(self, digest: str) -> None:
        """Mix what the steps so far have made into the key of all that follow."""
        self._key = hashlib.sha256(f"{self._key} {digest}".encode()).hexdigest()[:16]

    def do(
        self, step: str, settings: str | None, work: Callable[[], Any], made: Callable[[], bool] = lambda: True
    ) -> None:
        """Do `work` unless it was done with these settings after the same steps, and what it made is still there.

        `settings` None: the work is called each time and finds out by itself what is missing.
        """
        if settings is not None:
            self.key(f"{step} {settings}")
            known = self._known.get(step)
            if known and known["key"] == self._key and known["status"] == "done" and made():
                self.ended.append({**known, "status": "kept"})
                self._progress(f"{step}: already done", 1, 1)
                return
        before = self._known.get(step, {})
        again = settings is None and before.get("status") == "done"
        goes_on = before.get("status") == "interrupted" and before.get("key") == (
            self._key if settings is not None else ""
        )
        row: dict[str, Any] = {"step": step, "key": self._key if settings is not None else "", "status": "interrupted"}
        started, result, meter = time.monotonic(), None, Meter()
        try:
            with meter:
                result = _plain(work())
            row["status"] = "done"
        finally:
            row["seconds"] = round(time.monotonic() - started + (before.get("seconds", 0) if goes_on else 0), 2)
            row["peak_mb"] = meter.peak_mb
            row["result"] = result
            if again and row["status"] == "done" and row["seconds"] < before["seconds"]:
                # A look that found nothing new is not what the step took.
                row["seconds"], row["peak_mb"] = before["seconds"], before["peak_mb"]
            self._known[step] = row
            self._write()
        self.ended.append(row)

    def _write(self) -> None:
        rows = [self._known[step] for step in STEPS if step in self._known]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".json.tmp")
        part.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
        os.replace(part, self._file)


class Meter:
    """The peak of the memory that this process and its children hold, sampled; a context."""

    def __init__(self, every: float = 0.25) -> None:
        self.peak_mb: int | None = None
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Meter":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            import psutil  # comes with the extra 'train'
        except ImportError:
            return
        me = psutil.Process()
        while True:
            held = 0
            for process in [me, *me.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    held += process.memory_info().rss
            self.peak_mb = max(self.peak_mb or 0, held // 2**20)
            if self._stop.wait(self._every):
                return


def _digest(store: Library) -> str:
    """A hash of all that is known of the clips, in a fixed order."""
    hasher = hashlib.sha256()
    for query in (
        "select id, status from clips order by id",
        "select clip, name, version, value, data, status from signals order by clip, name",
        "select clip, captioner, text, status from captions order by clip, captioner",
        "select id, license, source, credit, origin, status from footage order by id",
    ):
        for row in store.rows(query):
            hasher.update(json.dumps(list(row.values()), default=str).encode())
    return hasher.hexdigest()


def _made(footage: Path) -> Callable[[], bool]:
    return lambda: (
        (footage / "LICENCES.json").is_file()
        and all(
            (footage / name).is_file() for name in json.loads((footage / "LICENCES.json").read_text(encoding="utf-8"))
        )
    )


def _plain(value: Any) -> Any:
    """A result as JSON can hold it."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    return json.loads(json.dumps(value, default=str))
