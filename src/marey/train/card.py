"""The card of a trained model: what it was made of and by, and what it is not, filled from facts."""

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import marey
from marey import recipe
from marey.catalog import Library, Selection, read_selection
from marey.train.metrics import Metrics
from marey.train.stages import HELDOUT_SIGMAS
from marey.train.windows import Window

_PACKAGES = ("torch", "diffusers", "transformers", "accelerate")


_OF_DIFFUSERS = {
    False: "`diffusers.StableVideoDiffusionPipeline.from_pretrained` opens this folder too. `text_encoder/`, "
    "`tokenizer/` and `unet_image/`, where they are, come from the image stage and are not part of that pipeline.",
    True: "It takes texts beside stills (`Model.imagine`). diffusers' pipeline knows no texts, and does not run it.",
}


def card(
    library: Library,
    settings: recipe.Train,
    encode: recipe.Encode,
    selection: str,
    seed: int,
    windows: Sequence[Window],
    metrics: Metrics,
    stages: Sequence[str],
    parameters: dict[str, int],
    told: bool = False,
) -> str:
    """README.md of a model folder.

    Args:
        windows: all of the encoded selection.
        stages: those that were trained, in order.
        parameters: how many each network has, by its name.
        told: whether the model takes texts, too.
    """
    fact = library.facts[f"encode/{selection}"]
    chosen = read_selection(library, selection)
    training = [window for window in windows if not window.heldout and not window.photo]
    heldout = [window for window in windows if window.heldout and not window.photo]
    photos = [window for window in windows if not window.heldout and window.photo]
    shape = " or ".join(f"{t} frames of {width}x{height} pixels" for t, height, width in encode.windows.shapes)
    begun = f"the weights of `{settings.start}`" if settings.start else "random weights"
    nothing = ", and bound by its licence too" if settings.start else "; no weights of others are in it"
    sizes = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in parameters.items())
    lines = [
        "---",
        "license: other",
        "license_name: see-the-footage-below",
        "library_name: diffusers",
        "pipeline_tag: image-to-video",
        "tags: [marey, image-to-video]",
        "---",
        f"# {settings.name}",
        "",
        f"An image-to-video model trained with Marey {marey.__version__}: one still to {shape}. It is an "
        f"implementation of Stable Video Diffusion (arXiv 2311.15127) in small, trained from {begun} on the footage "
        f"named below{nothing}.",
        "",
        "```python",
        "from marey import Model",
        f'Model.open("{settings.name}").animate("picture.png").save("picture.mp4")',
        "```",
        "",
        _OF_DIFFUSERS[told],
        "",
        "## What it was trained on",
        "",
        f"- Selection `{selection}`: {len(chosen.clips)} clips, hash `{chosen.hash}`, by {_rules(chosen) or 'no rule'}",
        f"- {len(training)} windows and {len(photos)} photographs to train on, {len(heldout)} windows held out, by "
        f"whole groups of footage ({fact['groups']} groups in all)",
        f"- Seed {seed}",
        "",
        *footage_table(library, [*training, *photos]),
        "",
        "## How",
        "",
        "| stage | steps | batch | rate | log sigma | held-out loss, first and last |",
        "|---|---|---|---|---|---|",
        *(_stage(name, settings, metrics) for name in stages),
        "",
        f"Parameters: {sizes}. The weights are the exponential averages. The held-out loss is the mean over sigma = "
        f"{', '.join(f'{sigma:g}' for sigma in HELDOUT_SIGMAS)} of the v-form error; always answering 0 has about 1. "
        f"The autoencoder alone gives held-out windows back at {fact['psnr']:.1f} dB.",
        "",
        "## What it is not",
        "",
        f"It has seen {len(training)} windows, {_seconds(training):.0f} seconds in all. It can be expected to keep the "
        "still and to move it somewhat in the manner of that footage; it knows nothing of the world beyond it, and "
        "faces, text and fine detail are beyond its size. What it does on held-out stills is in the report of its run. "
        "Whoever passes it on has to keep to the licences above.",
        "",
        "## Recipe",
        "",
        "```json",
        json.dumps({"encode": encode.model_dump(mode="json"), "train": settings.model_dump(mode="json")}, indent=1),
        "```",
        "",
        f"Made with Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
        + ".",
        "",
    ]
    return "\n".join(lines)


def _rules(selection: Selection) -> str:
    """The thresholds, such as "drop.motion (25 %, from 1.2)"."""
    found = []
    for rule, threshold in selection.thresholds.items():
        share = "" if threshold.percent is None else f"{threshold.percent:g} %, "
        value = "nothing" if threshold.value is None else f"{threshold.value:.4g}"
        found.append(f"{rule} ({share}{'under' if threshold.side == 'low' else 'over'} {value})")
    return ", ".join(found)


def footage_table(library: Library, windows: Sequence[Window]) -> list[str]:
    """A table in Markdown with a row for each licence and source of the windows' footage."""
    used = {window.footage for window in windows}
    found: dict[tuple[str, str, str], int] = {}
    for row in library.rows("select id, license, source, credit from footage order by license, source, credit"):
        if row["id"] in used:
            key = (row["license"], row["source"], row["credit"])
            found[key] = found.get(key, 0) + 1
    rows = [(key[0], str(count), *key[1:]) for key, count in found.items()]
    head = ["| licence | footage | source | credit |", "|---|---|---|---|"]
    return head + ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or "-"


def _stage(name: str, settings: recipe.Train, metrics: Metrics) -> str:
    stage: recipe.Stage = getattr(settings, name)
    curve = [line["heldout"] for line in metrics.lines(name) if "heldout" in line]
    losses = f"{curve[0]:.3f}, {curve[-1]:.3f}" if curve else "not measured"
    return (
        f"| {name} | {stage.steps} | {stage.batch} | {stage.lr:g} | N({stage.p_mean:g}, {stage.p_std:g}^2) | {losses} |"
    )


def _seconds(windows: Sequence[Window]) -> float:
    return sum(len(window.pts) / window.fps for window in windows if window.fps)


def counts(**networks: Any) -> dict[str, int]:
    """Parameters of each network, by its name; None is left out."""
    return {
        name.replace("_", " "): sum(value.numel() for value in network.parameters())
        for name, network in networks.items()
        if network is not None
    }
