"""A whole library made here: footage of known content, its catalog, windows, a run with samples, curves and steps.

It goes through the real `Library`, `select` and `evaluate`; only what curation and training would find is written by
hand.
"""

import json
import tomllib
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import save_file

from marey.catalog import Library
from marey.catalog.select import select
from marey.evaluate import evaluate
from marey.media import jpeg_bytes, write_video
from marey.recipe import Evaluate, Recipe, Select, find

HOSTILE = 'x" onload="alert(1)"><script>alert(2)</script>&.mp4'
HOSTILE_CAPTION = "</p><img src=http://evil.example/x onerror=alert(3)> {{ 7 * 7 }}"
FPS, SIDE, T = 12, 64, 8
CLIP = 20  # frames of each shot


def scene(seed: int, frames: int, height: int = 108, width: int = 192) -> np.ndarray:
    """Bright discs that drift over a soft background, uint8 (T, H, W, 3)."""
    rng = np.random.default_rng(seed)
    hue = rng.uniform(0, 180)
    ramp = np.linspace(0.45, 1, width)[None, :] * np.linspace(1, 0.7, height)[:, None]
    hsv = np.stack([np.full_like(ramp, hue), np.full_like(ramp, 90 + 60 * (seed % 2)), 200 * ramp], axis=-1)
    back = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    grain = cv2.GaussianBlur(rng.normal(0, 26, (height, width, 3)), (0, 0), 2)
    back = np.clip(back + 2 * grain, 0, 255).astype(np.uint8)
    discs = [
        (
            rng.uniform(0.2, 0.8, 2) * (width, height),
            rng.uniform(-2.2, 2.2, 2),
            int(rng.integers(8, 22)),
            hue + rng.uniform(50, 130),
        )
        for _ in range(4)
    ]
    video = []
    for t in range(frames):
        frame = back.copy()
        for centre, speed, radius, tint in discs:
            colour = cv2.cvtColor(np.uint8([[[tint % 180, 200, 245]]]), cv2.COLOR_HSV2RGB)[0, 0].tolist()
            x, y = (centre + t * speed) % (width, height)
            cv2.circle(frame, (int(x * 16), int(y * 16)), radius * 16, colour, -1, cv2.LINE_AA, 4)
        video.append(frame)
    return np.stack(video)


def edit(shots: list[np.ndarray], blend: int) -> tuple[np.ndarray, list[dict]]:
    """Shots one after another: a hard cut first, then dissolves of `blend` frames; and the truth of it."""
    out, truth = shots[0], []
    for n, shot in enumerate(shots[1:]):
        if n % 2 == 0:
            truth.append({"kind": "cut", "a_end": len(out) - 1, "b_start": len(out)})
            out = np.concatenate([out, shot])
        else:
            weights = (np.arange(1, blend + 1) / (blend + 1))[:, None, None, None]
            mixed = out[-1] * (1 - weights) + shot[:1] * weights
            truth.append({"kind": "dissolve", "a_end": len(out) - 1, "b_start": len(out) + blend})
            out = np.concatenate([out, mixed.astype(np.uint8), shot])
    return out, truth


def make(
    folder: Path, *, videos: int = 6, trained: bool = True, hostile: bool = True, noise: float = 14.0
) -> tuple[Library, Path]:
    """The library (open for writing) and the folder of its run."""
    footage = folder / "footage"
    footage.mkdir(parents=True)
    library = Library.open(folder / "library", create=True)
    rng = np.random.default_rng(7)
    clips, signals, captions, stills = [], [], [], {}
    for v in range(videos):
        made_by_marey = v >= videos - 2
        name = HOSTILE if hostile and v == 0 else f"{'edit' if made_by_marey else 'walk'} {v}.mp4"
        frames, truth = edit([scene(10 * v + n, CLIP) for n in range(3)], 6)
        path, identity = footage / name, f"f{v:02d}"
        try:
            write_video(path, frames, FPS, crf=24)
        except OSError:  # a system that takes no such names
            name, path = f"plain {v}.mp4", footage / f"plain {v}.mp4"
            write_video(path, frames, FPS, crf=24)
        if made_by_marey:
            side = {"fps": FPS, "frames": len(frames), "transitions": truth}
            path.with_name(f"{path.stem}.truth.json").write_text(json.dumps(side))
        _put_footage(library, path, identity, frames, made_by_marey, cut_short=v == 1)
        pts = np.arange(len(frames), dtype=np.int64) * 1024
        library.put_tensors("trace", {identity: {"pts": pts}})
        found = truth if v != videos - 1 else [*truth[:1], {"kind": "wipe", "a_end": 8, "b_start": 12}]
        library.put(
            "transitions",
            [
                {
                    **one,
                    "footage": identity,
                    "n": n,
                    "a_end_pts": int(pts[one["a_end"]]),
                    "b_start_pts": int(pts[one["b_start"]]),
                }
                | {"confidence": 0.97 - 0.11 * n - 0.03 * v}
                for n, one in enumerate(found)
            ],
        )
        starts = [0, *(one["b_start"] for one in truth)]
        ends = [*(one["a_end"] for one in truth), len(frames) - 1]
        for n, (start, end) in enumerate(zip(starts, ends, strict=True)):
            clip = f"{identity}c{n}"
            short = v == 2 and n == 2
            clips.append(
                {
                    "id": clip, "footage": identity, "n": n, "start_frame": start, "end_frame": end,
                    "start_pts": int(pts[start]), "end_pts": int(pts[end]), "frames": end - start + 1,
                    "seconds": (end - start + 1) / FPS, "width": 192, "height": 108, "fps": float(FPS),
                    "stills": [start, (start + end) // 2, end], "status": "rejected" if short else "ok",
                    "stage": "read", "reason": "shorter than 0.4 s" if short else "",
                }
            )  # fmt: skip
            if short:
                continue
            motion = float(rng.lognormal(0.8, 0.9))
            values = [
                ("motion", motion, "px", "low"), ("motion_share", motion / 220, "1", "low"),
                ("brightness", float(rng.uniform(0.3, 0.7)), "1", ""),
                ("sharpness", float(rng.lognormal(4, 0.7)), "grey levels^2", "low"),
                ("fps", float(FPS), "1/s", ""),
            ]  # fmt: skip
            if v == 3:
                signals.append(
                    {"clip": clip, "name": "text_area", "version": "1", "bad": "high", "unit": "1", "status": "missing"}
                    | {"reason": "needs the 'ocr' extra, pip install \"marey[ocr]\""}
                )
            else:
                values.append(("text_area", float(rng.beta(0.6, 18)), "1", "high"))
            signals += [
                {"clip": clip, "name": name, "version": "1", "value": value, "unit": unit, "bad": bad}
                for name, value, unit, bad in values
            ]
            twin = '"twins"' if v == 4 and n < 2 else "null"
            signals.append(
                {"clip": clip, "name": "duplicate_group", "version": "1", "data": twin, "unit": "", "bad": ""}
            )
            caption = HOSTILE_CAPTION if hostile and v == 0 and n == 0 else f"discs that drift, {values[0][1]:.1f} px"
            captions.append({"clip": clip, "captioner": "facts", "version": "1", "text": caption})
            kept = [start, (start + end) // 2, end]
            stills |= {f"{identity}:{k}": np.frombuffer(jpeg_bytes(frames[k], 90), np.uint8) for k in kept}
    library.put("clips", clips)
    library.put("signals", signals)
    library.put("captions", captions)
    library.put_tensors("stills", stills)
    library.put(
        "inputs",
        [
            {
                "path": str(footage / "notes.mp4"),
                "status": "failed",
                "stage": "probe",
                "reason": "it is text, not video",
            },
            {"path": str(footage / "song.mp4"), "status": "rejected", "stage": "probe", "reason": "it has no video"},
            {"path": str(footage / "copy of walk 1.mp4"), "footage": "f01", "status": "ok", "stage": "read"},
        ],
    )
    _put_unread(library, footage / "long.mp4")
    select(library, Select(name="tiny", drop={"motion": 20, "sharpness": 10, "text_area": 10}, allow_missing=True))
    run = library.path / "runs" / "tiny"
    run.mkdir(parents=True)
    _recipe(footage).save(run / "recipe.toml")
    if trained:
        _windows(library)
        _training(run)
        samples(run, noise=noise)
        evaluate(library, run, Evaluate(resamples=300), selection="tiny", seed=7)
        _steps(run)
    return library, run


def _recipe(footage: Path) -> Recipe:
    limits = {"folder": str(footage), "budget_seconds": 420, "file_seconds": 4.0}
    rules = {"name": "tiny", "drop": {"motion": 20, "sharpness": 10, "text_area": 10}, "allow_missing": True}
    tiny = tomllib.loads(find("tiny").read_text(encoding="utf-8"))
    return Recipe.of({**tiny, "footage": limits, "select": rules, "report": {"title": "First light"}})


def _put_footage(library: Library, path: Path, identity: str, frames: np.ndarray, made: bool, cut_short: bool) -> None:
    source = "made by Marey: composed edits" if made else "https://example.org/walks"
    library.put(
        "footage",
        [
            {
                "id": identity, "kind": "video", "path": str(path), "bytes": path.stat().st_size, "container": "mp4",
                "codec": "h264", "pixel_format": "yuv420p", "bit_depth": 8, "width": 192, "height": 108,
                "time_base": "1/12288", "fps": float(FPS), "frames": len(frames),
                "decoded": len(frames), "seconds": len(frames) / FPS, "has_audio": 0, "origin": [identity],
                "license": "CC0" if not made else "Apache-2.0", "source": source,
                "credit": "" if made else "A. Walker <a@b>",
                "status": "ok", "stage": "read",
            }
        ],
    )  # fmt: skip
    library.put(
        "ledger",
        [{"item": identity, "stage": "read@1", "status": "ok", "out": {"limited": cut_short, "decoded": len(frames)}}],
    )
    library.put("inputs", [{"path": str(path), "size": 1, "footage": identity, "status": "ok", "stage": "read"}])


def _put_unread(library: Library, path: Path) -> None:
    """A video over the budget: known by its facts, not read."""
    row = {"id": "f99", "kind": "video", "path": str(path), "seconds": 754.0, "time_base": "1/12288", "status": "ok"}
    library.put("footage", [{**row, "stage": "probe", "license": "unknown"}])
    library.put("inputs", [{"path": str(path), "footage": "f99", "status": "ok", "stage": "probe"}])


def _windows(library: Library) -> None:
    arrays, info = {}, {}
    for n, clip in enumerate(
        library.rows("select clips.id, clips.footage from clips join selected on selected.clip = clips.id")
    ):
        for w in range(4):
            item = f"{clip['id']}:{w}"
            arrays[item] = np.stack([cv2.resize(f, (SIDE, SIDE)) for f in scene(100 + 5 * n + w, T, 72, 72)])
            info[item] = {
                "clip": clip["id"], "footage": clip["footage"], "group": clip["footage"], "first_frame": 0, "stride": 1,
                "fps": float(FPS), "pts": list(range(T)), "motion": 1.0, "motion_bucket": 128,
                "split": "heldout" if n % 4 == 3 else "train", "caption": "", "photo": False,
            }  # fmt: skip
    arrays["p:0"], info["p:0"] = arrays[next(iter(arrays))][:1], {**next(iter(info.values())), "photo": True}
    library.put_tensors("pixels@1", arrays, info)
    library.facts["encode/tiny"] = {"pixels": "pixels@1", "latents": "latents@1", "autoencoder": "models/autoencoder-1"}


def samples(run: Path, n: int = 24, noise: float = 14.0) -> None:
    """A model that knows where things go, but blurs and flickers; real footage and footage made by Marey."""
    rng = np.random.default_rng(3)
    truth = np.stack([np.stack([cv2.resize(f, (SIDE, SIDE)) for f in scene(500 + i, T, 72, 72)]) for i in range(n)])
    soft = np.stack([[cv2.GaussianBlur(f, (0, 0), 1.2) for f in video] for video in truth])
    rebuilt = np.stack([[cv2.GaussianBlur(f, (0, 0), 0.7) for f in video] for video in truth])
    flicker = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE * n * T * 3)), (0, 0), 2).reshape(SIDE, SIDE, n, T, 3)
    generated = np.clip(soft + 4 * noise * flicker.transpose(2, 3, 0, 1, 4), 0, 255).astype(np.uint8)
    windows = [
        {
            "id": f"f{i % 6:02d}c0:{i // 6}", "clip": f"f{i % 6:02d}c0", "footage": f"f{i % 6:02d}",
            "group": f"g{i % 6}", "fps": 8.0, "motion_bucket": 40 * (i % 6), "real": i % 6 < 4,
            "caption": HOSTILE_CAPTION if i == 0 else "discs that drift",
        }
        for i in range(n)
    ]  # fmt: skip
    folder = run / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "windows.json").write_text(json.dumps(windows))
    save_file(
        {"truth": truth, "generated": np.ascontiguousarray(generated), "autoencoder": rebuilt},
        folder / "videos.safetensors",
    )


def _training(run: Path) -> None:
    rng = np.random.default_rng(0)
    lines = []
    stages = (
        ("autoencoder", 600, 0.5, 0.05), ("image", 200, 1.1, 0.6), ("video", 250, 0.9, 0.35),
        ("finetune", 80, 0.5, 0.4),
    )  # fmt: skip
    for stage, steps, start, end in stages:
        for step in range(1, steps + 1):
            level = end + (start - end) * np.exp(-4 * step / steps)
            line = {"stage": stage, "step": step, "loss": float(level * rng.lognormal(0, 0.25)), "lr": 3e-4}
            if step % 50 == 0 or step == steps:
                line["heldout"] = float(level * 1.08)
                line["heldout_by_sigma"] = {"0.2": float(level * 1.5), "5": float(level * 0.7)}
            lines.append(line)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run / "metrics.jsonl").write_text(text + '{"stage": "finetune", "st')  # a killed process leaves half a line


def _steps(run: Path) -> None:
    rows = [
        ("samples", 11.2, 180), ("curate", 74.5, 910), ("select", 0.2, 210), ("encode", 121.0, 1480),
        ("train", 286.4, 2210), ("generate", 38.1, 1650), ("evaluate", 6.3, 420), ("report", 3.0, 400),
    ]  # fmt: skip
    table = [{"step": step, "seconds": seconds, "peak_mb": peak, "status": "done"} for step, seconds, peak in rows]
    (run / "steps.json").write_text(json.dumps(table))
