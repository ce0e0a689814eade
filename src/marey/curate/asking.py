"""The second opinion in a curation: what the pass keeps for it, and the stage that asks it, once a footage.

Where it is wanted before footage is read, the frames that it sees are kept in the trace, and nothing is decoded for it.
Footage that was read without them is decoded once more, for them alone: no trace and no signal changes by that.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from marey.catalog import Library, Shard, new_shard, path_text, shard_name, text_path, write_shard
from marey.curate.taps import Ask, Planes
from marey.engine import Result
from marey.media import Frame, Unusable, probe, read
from marey.signals.shotnet import SIZE, ShotNet

Run = Callable[[Any, list[dict[str, Any]], str], Iterable[Result]]

KIND = "trace@transnetv2"
"""Its answers among the tensors: float32 (N, 2) a footage."""
BYTES = SIZE[0] * SIZE[1] * 3
"""Of each frame that is kept for it."""
SECONDS_A_FRAME = 0.25
"""Ten times what it takes on one core: more is given up."""


class ShotTap:
    """The frames that TransNet V2 sees: small (N, 27, 48, 3)."""

    ask = Ask(0, SIZE, "rgb")

    def __init__(self) -> None:
        self._frames = bytearray()

    def take(self, frame: Frame, planes: Planes) -> None:
        """Every frame."""
        self._frames += planes[0].tobytes()

    def end_shot(self, last: Frame) -> None:
        """Nothing to do."""

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class says."""
        return {"small": np.frombuffer(self._frames, np.uint8).reshape(-1, *SIZE, 3)}


class AskStage:
    """TransNet V2 over one footage. Item: id, path, library, trace (shard, key), limit (seconds or None)."""

    name, version, cpus, gpus = "ask", "1", 1.0, 0.0

    def __init__(self) -> None:
        self._net: ShotNet | None = None

    def setup(self) -> None:
        """The network with its weights.

        Raises:
            MissingExtra: the extra 'shots' is not installed.
        """
        self._net = ShotNet()

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """Writes its answers."""
        assert self._net is not None, "setup was not called"
        library, (shard, key) = text_path(item["library"]), item["trace"]
        trace = Shard(library / shard)
        kept = f"{key}/small" in trace.keys
        frames = trace.read(f"{key}/small") if kept else self._seen(item, trace.read(f"{key}/pts"))
        out = new_shard(library, KIND)
        write_shard(out, {item["id"]: self._net(np.asarray(frames))})
        return {"shard": shard_name(library, out)}

    def _seen(self, item: dict[str, Any], pts: Any) -> np.ndarray:
        """The frames, by a decode of their own."""
        tap = ShotTap()
        path = text_path(item["path"])
        try:
            for n, frame in enumerate(read(path, probe(path), limit_seconds=item["limit"], threads=1)):
                if n >= len(pts) or frame.pts != pts[n]:
                    raise Unusable("failed", "its frames are not those of its trace any more")
                tap.take(frame, tap.ask.of(frame))
        except Unusable as error:
            raise Unusable(error.status, error.reason) from error
        frames = tap.arrays()["small"]
        if len(frames) != len(pts):
            raise Unusable("failed", "its frames are not those of its trace any more")
        return frames


def ask(library: Library, run: Run, limits: dict[str, float | None]) -> dict[str, str]:
    """Ask about those of some footage of which it was not asked yet; returns why some got no answer, by footage.

    Args:
        limits: the seconds that were read, by footage; None: all.
    """
    traces, answers = library.places("trace"), library.places(KIND)
    items = []
    for row in library.rows("select id, path, frames from footage where kind = 'video' and status = 'ok' order by id"):
        name = row["id"]
        if name not in limits or name not in traces:
            continue
        if name in answers and answers[name].info == _made_from(traces[name].shard):
            continue
        place = {"library": path_text(library.path), "trace": (traces[name].shard, traces[name].key)}
        items.append({**row, **place, "limit": limits[name]})
    why: dict[str, str] = {}
    for result in run(AskStage(), items, "asking TransNet V2") if items else []:
        if result.status == "ok":
            made = {"shard": result.out["shard"], "key": result.id, "info": _made_from(traces[result.id].shard)}
            library.put("tensors", [{"kind": KIND, "item": result.id, **made}])
        else:
            why[result.id] = result.error
    return why


def _made_from(trace: str) -> dict[str, str]:
    return {"version": AskStage.version, "trace": trace}
