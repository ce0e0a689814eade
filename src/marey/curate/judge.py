"""How sure it is that a candidate is a transition: a small network for each way in which candidates are found.

Its weights, judge.safetensors, were fitted by benchmarks/fit_transitions.py on composed edits; neither the seeds nor
the sources of those are among what the detector is measured on.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import safe_open

from marey.curate.evidence import NAMES

WAYS = ("cut", "short", "dissolve", "fade", "wipe")
"""Hard cuts, joins of a few frames that `abrupt` finds, and the windows of `gradual` by kind."""
FAR = 4.0
"""A number further from its mean than so many standard deviations counts as being there, for unseen footage may have
any."""
FILE = Path(__file__).with_name("judge.safetensors")


@dataclass(frozen=True)
class Judge:
    """Of one way, for K numbers of evidence: their mean and standard deviation, and one layer of H hidden units."""

    mean: np.ndarray  # (K,)
    deviation: np.ndarray  # (K,)
    hidden: np.ndarray  # (H, K)
    hidden_bias: np.ndarray  # (H,)
    weight: np.ndarray  # (H,)
    bias: np.ndarray  # (1,)

    def sure(self, numbers: np.ndarray) -> float:
        """0..1."""
        scaled = np.clip((numbers - self.mean) / self.deviation, -FAR, FAR)
        score = self.weight @ np.tanh(self.hidden @ scaled + self.hidden_bias) + self.bias[0]
        return float(1 / (1 + np.exp(-score)))


@lru_cache(maxsize=2)
def judges(path: Path = FILE) -> dict[str, Judge]:
    """The judges that come with the package, by way."""
    with safe_open(path, framework="numpy") as file:
        fitted_on = (file.metadata() or {}).get("evidence", "").split(",")
        if fitted_on != list(NAMES):
            raise ValueError(f"{path.name} was fitted on other evidence: run benchmarks/fit_transitions.py")
        names = ("mean", "deviation", "hidden", "hidden_bias", "weight", "bias")
        return {way: Judge(*(file.get_tensor(f"{way}.{name}") for name in names)) for way in WAYS}
