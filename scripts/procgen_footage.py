"""Footage of CoinRun, for realism that is not of this house: videos with captions, cuts and semantic maps beside them.

It runs in an environment of its own, for the game wants numpy before 2:

    python3.11 -m venv coinrun
    coinrun/bin/pip install procgen-mirror==0.10.7 "av>=15,!=17.0.1"
    coinrun/bin/python scripts/procgen_footage.py --clips 20 --out footage/coinrun

The libraries libGL.so.1 and libgthread-2.0 must be there (Debian: libgl1, libglib2.0-0). The same seed gives the same
clips. The maps are those of a twin game with the same seed and actions, drawn in one colour a kind; where the two part,
the run ends with a sentence. The game's code is MIT; the licences of its pictures are listed in ASSET_LICENSES.md of
github.com/openai/procgen, so LICENCES.json says "unknown".
"""

import argparse
import json
import os
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FPS = 15  # as the game was tuned for
COLOURS = {  # of the twin's pictures, to what they show: a thing fills its box
    0x000000: "background",
    0x7F3F3F: "wall",
    0xBFFF7F: "surface",
    0xBF3F7F: "crate",
    0xFFBFBF: "coin",
    0xFF7F3F: "saw",
    0x3FBFFF: "enemy",
    0x3FFF3F: "enemy",
    0xBFBF3F: "enemy",
    0xFFBF7F: "player",
    0x7F7FBF: "player",
    0x7F7FFF: "saw",
}
LABELS = ("background", "wall", "surface", "crate", "coin", "saw", "enemy", "player")
LEFT, STAY, RIGHT, LEAP = 1, 4, 7, 8
TEXTS = {RIGHT: "runs to the right", LEAP: "jumps to the right", LEFT: "runs to the left", STAY: "stands still"}


def games(seed: int, number: int, monochrome: bool):
    from procgen import ProcgenGym3Env

    return ProcgenGym3Env(
        num=1,
        env_name="coinrun",
        num_levels=0,  # any level: which, follows from the seed
        rand_seed=(seed * 1_000_003 + number) % 2**31,
        distribution_mode="hard",
        render_mode="rgb_array",
        use_backgrounds=not monochrome,
        use_monochrome_assets=monochrome,
        restrict_themes=monochrome,
        num_threads=1,
    )


def actions(rng: np.random.Generator, frames: int) -> list[int]:
    """Runs to the right with leaps, and now and then a step back or a rest; each lasts for a while."""
    done: list[int] = []
    while len(done) < frames:
        what = int(rng.choice((RIGHT, LEAP, LEFT, STAY), p=(0.42, 0.42, 0.08, 0.08)))
        done += [what] * int(rng.integers(3, 14))
    return done[:frames]


def played(seed: int, number: int, todo: list[int], monochrome: bool):
    """Pictures uint8 (T, 512, 512, 3), rewards (T,) and whether each frame is the first of a level (T,)."""
    game = games(seed, number, monochrome)
    pictures, rewards, firsts = [], [], []
    for action in todo:
        reward, _, first = game.observe()
        pictures.append(game.get_info()[0]["rgb"])
        rewards.append(float(reward[0]))
        firsts.append(bool(first[0]))
        game.act(np.array([action], np.int32))
    game.close()
    return np.stack(pictures), rewards, firsts


def labelled(pictures: np.ndarray, size: int) -> np.ndarray:
    """The twin's pictures as labels, uint8 (T, size, size): by colour, and where edges mix two, that of a neighbour."""
    codes = (pictures[..., 0].astype(np.int32) << 16) + (pictures[..., 1].astype(np.int32) << 8) + pictures[..., 2]
    unknown = len(LABELS)
    labels = np.full(codes.shape, unknown, np.uint8)
    for code, name in COLOURS.items():
        labels[codes == code] = LABELS.index(name)
    for _ in range(32):
        open_ = labels == unknown
        if not open_.any():
            break
        for axis, way in ((2, 1), (2, -1), (1, 1), (1, -1)):
            beside = np.roll(labels, way, axis)
            labels = np.where(open_ & (labels == unknown), beside, labels)
    at = ((np.arange(size) + 0.5) * pictures.shape[1] / size).astype(int)
    return np.where(labels == unknown, 0, labels)[:, at][:, :, at]


def write(path: Path, pictures: np.ndarray, size: int) -> None:
    """An MP4 that is there when it is whole."""
    part = path.with_name(f".{path.name}.tmp")
    with av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = size, size, "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast", "g": str(2 * FPS), "x264-params": "mbtree=0"}
        stream.codec_context.thread_count = 1
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(size, size, "yuv420p", interpolation="AREA")
            frame.pts, frame.time_base = n, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    os.replace(part, path)


def told(todo: list[int], coins: int) -> str:
    parts = [TEXTS[action] for n, action in enumerate(todo) if n == 0 or action != todo[n - 1]]
    kept = [part for n, part in enumerate(parts) if n == 0 or part != parts[n - 1]][:6]
    end = f", and reaches {'a coin' if coins == 1 else f'{coins} coins'}" if coins else ""
    return f"a small figure {', '.join(kept)}{end}"


def make(out: Path, seed: int, number: int, frames: int, size: int) -> None:
    name = f"coinrun-{seed}-{number:05d}"
    video = out / f"{name}.mp4"
    if video.is_file():
        return
    todo = actions(np.random.default_rng([seed, number]), frames)
    pictures, rewards, firsts = played(seed, number, todo, False)
    twin, twin_rewards, twin_firsts = played(seed, number, todo, True)
    if (rewards, firsts) != (twin_rewards, twin_firsts):
        sys.exit(f"Clip {number}: the twin game went another way than the game: another --seed would do.")
    starts = [n for n in range(1, frames) if firsts[n]]
    truth = {
        "world": "coinrun",
        "fps": FPS,
        "size": size,
        "text": told(todo, sum(reward > 0 for reward in rewards)),
        "actions": todo,
        "rewards": rewards,
        "labels": LABELS,
        "transitions": [{"kind": "cut", "a_end": n - 1, "b_start": n} for n in starts],
    }
    np.savez_compressed(out / f"{name}.labels.npz", labels=labelled(twin, size))
    (out / f"{name}.truth.json").write_text(json.dumps(truth))
    (out / f"{name}.txt").write_text(truth["text"])
    write(video, pictures, size)


def main() -> None:
    parser = argparse.ArgumentParser(description="Footage of CoinRun.")
    parser.add_argument("--out", type=Path, default=Path("footage"))
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=7)
    said = parser.parse_args()
    if said.size % 2 or not 32 <= said.size <= 512:
        sys.exit(f"--size is {said.size}: an even number from 32 to 512 would do.")
    said.out.mkdir(parents=True, exist_ok=True)
    place = said.out / "LICENCES.json"
    table = json.loads(place.read_text()) if place.is_file() else {}
    for number in range(said.clips):
        name = f"coinrun-{said.seed}-{number:05d}"
        entry = {"license": "unknown", "source": "CoinRun, from procgen-mirror 0.10.7", "credit": "OpenAI (Procgen)"}
        table[f"{name}.mp4"] = {**entry, "origin": [name]}
    place.write_text(json.dumps(table, indent=1, sort_keys=True))
    for number in range(said.clips):
        make(said.out, said.seed, number, max(2, round(said.seconds * FPS)), said.size)
        print(f"\rplaying CoinRun: {number + 1} of {said.clips}", end="", file=sys.stderr, flush=True)
    print(f"\n{said.clips} clips are in {said.out}")


if __name__ == "__main__":
    main()
