"""The typed description of a whole run: TOML or Python, one section a verb.

    recipe = Recipe.open("tiny", ["train.video.steps=100"])     # a shipped name, or the path of a .toml file

An unknown key is an error that names the nearest known one; a value out of range is an error that names the field, the
value and what would do. The resolved recipe is saved beside whatever it made; the same recipe, seed and library give
the same result.
"""

import difflib
import hashlib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from marey.errors import MareyError


class Section(BaseModel):
    """A section of a recipe: immutable, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _none_by_name(cls, said: Any) -> Any:
        """`none` on the command line lifts a limit; where it is one of the words to choose from, it is that word."""
        if not isinstance(said, dict):
            return said
        words = {name for name, field in cls.model_fields.items() if "none" in get_args(field.annotation)}
        return {name: "none" if value is None and name in words else value for name, value in said.items()}

    def fingerprint(self) -> str:
        """Sixteen hex digits that change whenever a value in this section does."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


class World(Section):
    """Clips of a world that Marey makes itself, for training without files."""

    name: Literal["jules", "shapes"] = "jules"
    """The platform game, or plain figures in one motion each."""
    clips: int = Field(1000, ge=1)
    seconds: float = Field(3.2, gt=0, le=60)
    """How long each is: at 30 frames a second the game, at 25 the figures."""
    size: int = Field(64, ge=32, le=512, multiple_of=8)
    """Height and width in pixels."""
    seed: int = Field(7, ge=0)
    only: str | None = None
    """Of the game one policy, of the figures one motion. None: they take turns."""


class Footage(Section):
    """Where the footage lies, and how much of it is read."""

    folder: str | None = None
    """The folder of footage, searched with all below it. None: the sample footage is fetched and used."""
    world: World | None = None
    """Clips that are drawn as they are needed, instead of a folder."""
    budget_seconds: float | None = Field(None, gt=0)
    """Read at most this many seconds of video in all, chosen by content hash so that the choice is stable. None:
    everything."""
    file_seconds: float | None = Field(None, gt=0)
    """Read at most this many seconds from the start of each video. None: to its end."""
    photos: int | None = Field(None, ge=0)
    """Read at most this many photographs. None: all."""


class Transitions(Section):
    """Thresholds of the transition detector, on signatures of 64x36 luma; distances are in 0..1."""

    cut: float = Field(0.5, gt=0, lt=1)
    """Least confidence of a hard cut."""
    gradual: float = Field(0.5, gt=0, lt=1)
    """Least confidence of a dissolve, fade or wipe."""
    doubt: float = Field(0.2, gt=0, lt=1)
    """Clips are also divided where a transition is only so sure: a shot in two pieces is no harm, a clip of two shots
    is. Such places are not told as transitions. As much as `cut` and `gradual`: never."""
    longest_seconds: float = Field(2.5, gt=0, le=10)
    """The longest gradual transition that is looked for."""
    second: Literal["none", "transnetv2"] = "none"
    """A second opinion from the same decode: TransNet V2, which takes some 20 ms a frame on one core (the extra
    `shots`)."""
    how: Literal["alone", "fused"] = "fused"
    """Whether the second opinion stands alone, or adds to ours what we hold possible and it is sure of."""
    second_sure: float = Field(0.5, gt=0, lt=1)
    """Least probability at which the second opinion is sure of a frame."""


class Models(Section):
    """Models of your own for the signals embedding, match, looks and motion_raft. Without them small ones out of
    packages are used, which are named in what they give; motion_raft is there only with one."""

    clip: str | None = None
    """A CLIP or SigLIP model: a folder as transformers saves it, with safetensors, or a hub id, which is downloaded."""
    looks_head: str | None = None
    """The LAION aesthetic predictor for that CLIP (of ViT-L/14): its linear or its MLP head, .safetensors or .pth."""
    looks_head_sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    """Of the head's file. A .pth is read only where this is given and right."""
    raft: str | None = None
    """Weights of RAFT, .safetensors or .pth: torchvision's raft_large or raft_small, or the authors' raft-things."""
    raft_sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    """Of that file. A .pth is read only where this is given and right."""

    preference_head: str | None = Field(None, pattern=r"\.safetensors$")
    """A head on the embeddings that `marey study learn` fitted to people's votes: it gives the signal `preference`."""

    @model_validator(mode="after")
    def _head_needs_clip(self) -> "Models":
        if self.looks_head is not None and self.clip is None:
            raise ValueError("looks_head scores the embeddings of a CLIP: clip must be given with it")
        return self


class Server(Section):
    """A server that speaks OpenAI's `/v1/chat/completions`: vLLM, SGLang, llama.cpp, Ollama, LM Studio or a service."""

    base_url: str = Field("http://localhost:8000/v1", pattern=r"^https?://[^/@\s]+(/[^@?#\s]*)?$")
    """Up to and with `/v1`; without a name or a key in it."""
    key_variable: str = Field("", pattern=r"^[A-Za-z0-9_]*$")
    """The environment variable that holds the key. The key itself is written nowhere. Empty: none is sent."""
    concurrency: int = Field(8, ge=1, le=512)
    """Requests under way at a time."""
    timeout_seconds: float = Field(120.0, gt=0)
    """Of one request, until its answer is there."""
    retries: int = Field(4, ge=0, le=20)
    """After 429, 408, 5xx, a lost connection, a timeout or an answer that is no JSON."""
    wait_seconds: float = Field(0.5, gt=0)
    """Before the first retry, twice as long before each next one, half to one and a half times that by chance; longer
    where the server says so by Retry-After."""
    longest_wait_seconds: float = Field(60.0, gt=0)
    """A server that asks for more is left alone until the next run."""


class Captioner(Section):
    """What writes one column of captions."""

    backend: Literal["facts", "transformers", "server", "keep"] = "facts"
    """facts: from what was measured, without a model. transformers: a model that runs here. server: one that
    [curate.captions.server] names. keep: the column is left as it is."""
    model: str = ""
    """transformers: a folder with safetensors, a .gguf file (merged only), `smollm2`, or an id on the Hugging Face hub
    as `name/model` or `name/model@revision`. server: the model's name there."""
    prompt: str = ""
    """What is asked. In `merged`, {image} and {video} stand for the two captions. Empty: the prompt of Marey; a model
    without a chat template, such as BLIP or GIT, then gets none."""
    frames: int = Field(8, ge=1, le=128)
    """Of the clip that the video captioner sees, evenly over it; a GIT sees as many as it was trained on."""
    size: int = Field(448, ge=16)
    """Frames are scaled down to this long side, in pixels."""
    tokens: int = Field(96, ge=1)
    """The longest answer."""
    batch: int = Field(4, ge=1)
    """Clips that a transformers model captions at a time."""
    checked: bool = False
    """merged: a sentence with a word or number that neither caption has, or without half of what they say, gives way to
    the two captions side by side."""

    @model_validator(mode="after")
    def _has_model(self) -> "Captioner":
        if self.backend in ("transformers", "server") and not self.model:
            raise ValueError(f"the backend {self.backend!r} needs a `model`")
        return self


class Captions(Section):
    """Three columns of captions: of the middle still, of the clip, and both merged."""

    image: Captioner = Captioner()
    video: Captioner = Captioner()
    merged: Captioner = Captioner()
    server: Server = Server()
    device: str = "auto"
    """Of transformers models: auto, cpu, cuda, cuda:N or mps."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of their weights. auto: float32 on a CPU, bfloat16 on CUDA, float16 on mps."""


class Curate(Section):
    """One decode a source: transitions, clips and signals."""

    shortest_seconds: float = Field(0.4, ge=0)
    """Clips shorter than this are rejected (they stay in the catalog)."""
    longest_seconds: float | None = Field(None, gt=0)
    """Longer clips are divided evenly. None: a clip is a whole shot."""
    without: tuple[str, ...] = ()
    """Signals that are not computed, such as text_area. One whose extra is not installed is `missing`, and a later run
    fills it in."""
    file_timeout_seconds: float = Field(600.0, gt=0)
    """A source that takes longer is given up, and only that one."""
    duplicate_cosine: float = Field(0.97, gt=0, le=1)
    """Clips whose embeddings have at least this cosine are near-duplicates, whatever their hashes say. The default was
    chosen for the features of EfficientNet-Lite0."""
    transitions: Transitions = Transitions()
    models: Models = Models()
    captions: Captions = Captions()


class Select(Section):
    """A named query over signals. `drop` cuts a share from each signal's bad end; `min` and `max` are absolute. A rule
    looks at a signal's own value, its mean, unless it names a part of it: `text_area.max`, `match.merged`."""

    name: str = Field("selected", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    drop: dict[str, float] = {}
    """Signal to percent, 0..100, of all ok clips, each signal alone; ties stay."""
    min: dict[str, float] = {}
    max: dict[str, float] = {}
    allow_missing: bool = False
    """Let clips pass whose signal could not be computed; otherwise that is an error."""
    duplicates: Literal["keep", "drop"] = "drop"
    """Drop: of each group of near-duplicates only the sharpest clip stays."""
    captions: dict[str, float] = {"image": 0.5, "video": 0.25, "merged": 0.25, "file": 1.0}
    """Captioner to how often its caption is to be trained on, as in the paper; stored with the selection. A person's
    words (`file`), which few clips have, count as much as the three together. Those that a clip lacks give their share
    to the others; a clip with none of them has its caption from `facts`."""

    @model_validator(mode="before")
    @classmethod
    def _parts(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        rules = {key: _flat(table[key]) for key in ("drop", "min", "max") if isinstance(table.get(key), dict)}
        return {**table, **rules}

    @model_validator(mode="after")
    def _percents(self) -> "Select":
        for signal, percent in self.drop.items():
            if not 0 <= percent < 100:
                raise ValueError(f"drop.{signal} is {percent}: a percentage from 0 to under 100 would do")
        for captioner, weight in self.captions.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"captions.{captioner} is {weight}: a number from 0 would do")
        return self


class Export(Section):
    """Selected clips as files, laid out as a trainer reads them."""

    layout: Literal[
        "folder", "webdataset", "finetrainers", "diffusion-pipe", "musubi-tuner", "open-sora", "videox-fun"
    ] = "folder"
    mode: Literal["copy", "exact", "encode"] = "exact"
    """copy: the whole groups of pictures inside a clip, bit for bit; exact: every frame, only the edges encoded anew;
    encode: all of it encoded anew, cropped and sized as asked."""
    fallback: Literal["none", "exact", "encode"] = "none"
    """What becomes of a clip that cannot be copied. none: it is left out, and the reason told."""
    audio: bool = False
    """Write the sound too, where there is any."""
    crop: bool = True
    """encode: cut away what the signal `crop` says, bars above all."""
    size: int | tuple[int, int] | None = None
    """encode: a short side in pixels, or (height, width), which the largest centred part fills. None: as it is."""
    fps: float | None = Field(None, gt=0, le=1000)
    """encode: frames a second. None: every frame at its own time."""
    crf: float = Field(16.0, ge=0, le=51)
    """encode: quality of libx264, 0 the best."""
    preset: str = "medium"
    """encode: of libx264, from ultrafast to veryslow."""
    caption: Literal["drawn", "heaviest"] = "drawn"
    """Which caption stands where a layout has room for one. drawn: one by the selection's weights, always the same for
    a clip, so that over all clips the shares are those weights; heaviest: the one with the largest weight."""
    frames: tuple[int, ...] = (1, 9, 17, 25, 33, 49, 65, 81, 97, 121, 161, 241)
    """Lengths by which clips are put into buckets: a clip belongs to the longest that it fills."""
    shard_megabytes: float = Field(256.0, gt=0)
    """webdataset: a shard is closed before it would be larger."""
    root: str | None = None
    """The export's folder as the trainer will see it, for layouts that want whole paths. None: where it is written."""
    clip_timeout_seconds: float = Field(300.0, gt=0)
    """A source may take so long for each of its clips; then it is given up, and only that one."""

    @model_validator(mode="after")
    def _sides(self) -> "Export":
        sides = self.size if isinstance(self.size, tuple) else (self.size or 16,)
        if min(sides) < 16:
            raise ValueError(f"size is {self.size}: sides of 16 pixels or more would do")
        if not self.frames or min(self.frames) < 1:
            raise ValueError(f"frames is {self.frames}: whole numbers from 1 would do")
        return self


class Windows(Section):
    """The pieces of clips that a model is trained on: non-overlapping, of equal size."""

    frames: int = Field(8, ge=2)
    fps: float = Field(8.0, gt=0)
    """Frames are taken at the whole stride of the source that comes nearest to this rate; the true rate is a
    condition."""
    size: int = Field(64, ge=16)
    """Height and width in pixels, after the largest centred square; a multiple of the autoencoder's factor."""
    heldout_share: float = Field(0.2, gt=0, lt=1)
    heldout_least: int = Field(24, ge=1)
    """At least this many windows are held out, by whole groups of footage that share an origin or near-duplicates."""
    most: int | None = Field(None, ge=1)
    """At most this many windows in all, taken evenly from the clips. None: all."""


class Autoencoder(Section):
    """diffusers' AutoencoderKLTemporalDecoder in a small configuration, trained here."""

    channels: tuple[int, ...] = (96, 32, 96)
    """One a level, finest first, multiples of 32; the factor is 2 ** (levels - 1). The finest and the coarsest want 96
    or more: normalisation has 32 groups, and groups of fewer than three channels lose how bright a picture is.
    """
    layers: int = Field(1, ge=1)
    latent_channels: int = Field(4, ge=1)
    steps: int = Field(600, ge=1)
    batch: int = Field(8, ge=1)
    """Windows a step."""
    frames: int = Field(2, ge=1)
    """Consecutive frames of each window that a step sees."""
    crop: int | None = Field(32, ge=8)
    """A step sees a square of so many pixels of each frame, anywhere in it: more steps for the same time. None: all of
    it.
    """
    lr: float = Field(5e-3, gt=0)
    """Of weights with up to 32 inputs; one with more has as much less."""
    warmup: int = Field(20, ge=0)
    kl: float = Field(1e-6, ge=0)
    """Weight of the divergence from the unit normal (nats a latent) beside the mean absolute error of pixels in -1..1.
    """
    ema: float = Field(0.99, ge=0, lt=1)
    checkpoint_every: int = Field(100, ge=1)
    evaluate_every: int = Field(100, ge=1)
    precision: Literal["no", "bf16", "fp16", "auto"] = "no"
    """Autocast; weights stay in float32. auto: bf16 where the device computes in it by itself, no where it does not."""


class Encode(Section):
    """Selected clips to windows, and windows to latents, once."""

    windows: Windows = Windows()
    autoencoder: Autoencoder = Autoencoder()


class Network(Section):
    """The spatio-temporal UNet and its embedders."""

    channels: tuple[int, ...] = (64, 128, 128)
    """One a level, each a multiple of 32. All levels but the last attend."""
    layers: int = Field(1, ge=1)
    head_width: int = Field(32, ge=8)
    context: int = Field(64, ge=8)
    """Width of the cross-attention tokens."""
    embed: int = Field(32, ge=8)
    """Width of the sinusoid of each added condition (fps, motion bucket, noise augmentation)."""
    text_tokens: int = Field(32, ge=4, le=77)


class Stage(Section):
    """One training stage, after the paper's table (svd.md §1.6)."""

    steps: int = Field(200, ge=1)
    batch: int = Field(8, ge=1)
    """Pictures (image stage) or windows a step."""
    lr: float = Field(3e-4, gt=0)
    warmup: int = Field(20, ge=0)
    p_mean: float = -1.2
    p_std: float = Field(1.0, gt=0)
    """log sigma is drawn from N(p_mean, p_std^2), once a clip."""
    drop_condition: float = Field(0.1, ge=0, lt=1)
    """Chance that a clip's token, and apart from it its conditioning frame, is zeroed."""
    noise_aug_mean: float = -3.0
    noise_aug_std: float = Field(0.5, ge=0)
    """The conditioning frame gets pixel noise of log-normal strength (video stages)."""
    ema: float = Field(0.995, ge=0, lt=1)
    ema_warmup: bool = True
    clip_norm: float = Field(1.0, gt=0)
    checkpoint_every: int = Field(100, ge=1)
    evaluate_every: int = Field(50, ge=1)
    """Held-out loss at fixed sigmas every so many steps."""
    quality_percent: float | None = Field(None, gt=0, le=100)
    """Finetuning: use only this share of the training windows, those of the best clips by `quality_by`."""
    quality_by: str = "sharpness"
    precision: Literal["no", "bf16", "fp16", "auto"] = "no"
    """Autocast; weights stay in float32. auto: bf16 where the device computes in it by itself, no where it does not."""


class Train(Section):
    """The three training stages of one model."""

    name: str = Field("tiny", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    """The model's folder under models/."""
    network: Network = Network()
    image: Stage = Stage()
    video: Stage = Stage(p_mean=0.0)
    finetune: Stage = Stage(p_mean=0.7, p_std=1.6, lr=1e-4)


class Generate(Section):
    """Animate held-out stills."""

    steps: int = Field(12, ge=1)
    solver: Literal["euler", "ddim", "heun", "dpmpp_2m", "unipc", "euler_ancestral", "edm", "dpmpp_2m_sde", "lcm"] = (
        "euler"
    )
    schedule: Literal["karras", "ays"] = "karras"
    """Of the noise levels between `sigma_max` and `sigma_min`."""
    guidance: tuple[float, float] = (1.0, 2.0)
    """From the first to the last frame, linearly."""
    sigma_min: float = Field(0.002, gt=0)
    sigma_max: float = Field(80.0, gt=0)
    noise_aug: float = Field(0.02, ge=0)
    windows: int | None = Field(None, ge=1)
    """How many held-out windows are animated. None: all."""
    batch: int = Field(8, ge=1)


class Script(Section):
    """A network as TorchScript, read only if it is the file that is meant."""

    file: str
    sha256: str = Field(min_length=64, max_length=64)


class Judges(Section):
    """Networks of your own for metrics, as files and folders. None is ever downloaded."""

    clip: str | None = None
    """Folder of a CLIP or SigLIP, as transformers saves it."""
    dino: str | None = None
    """Folder of a DINO or another vision transformer, as transformers saves it."""
    lpips_trunk: str | None = None
    """torchvision's AlexNet (alexnet-owt-7be5be79.pth)."""
    lpips_heads: str | None = None
    """LPIPS's weights/v0.1/alex.pth."""
    looks_head: str | None = None
    """LAION's aesthetic head, for the CLIP that is given."""
    looks_head_sha256: str | None = None
    raft: str | None = None
    """Weights of RAFT, .safetensors or .pth; VBench has raft-things."""
    raft_sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    scripts: dict[str, Script] = {}
    """amt, musiq, dreamsim: see docs/evaluate.md."""


class Evaluate(Section):
    """Generated videos against the true continuation."""

    confidence: float = Field(0.95, gt=0.5, lt=1)
    resamples: int = Field(1000, ge=100)
    frechet_least: int = Field(64, ge=2)
    """No Frechet distance under this many videos."""
    frechet_dims: int = Field(16, ge=1, le=16)
    models: Judges = Judges()


class Report(Section):
    """The page."""

    title: str = "Marey"
    examples: int = Field(12, ge=1)
    """How many kept, rejected and generated clips are shown at most, each."""
    transitions: int = Field(12, ge=0)


class Study(Section):
    """Which filter thresholds people prefer: subsets by axis, equal trainings on them, and votes."""

    name: str = Field("study", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")
    """Of the study; its arms are selections, runs and models named after it."""
    axes: tuple[str, ...] = ("motion",)
    """Signals, or parts of them, that have a bad end: each is filtered alone."""
    shares: tuple[float, ...] = (12.5, 25.0, 50.0)
    """Percent of all clips that fall from an axis's bad end, an arm each."""
    random: bool = False
    """Beside each subset a random one of the same size: does the axis matter, or only how many clips there are?"""
    stages: tuple[Literal["image", "video", "finetune"], ...] = ("image", "video")
    """Training stages of each arm, with the steps that [train] gives them."""
    prompts: int = Field(64, ge=1)
    """Held-out stills that every arm animates."""
    votes: int = Field(60, ge=1)
    """How many votes the page asks of a person."""
    width: float = Field(100.0, gt=0)
    """Of the intervals, in Elo points: how many votes it still takes is told."""
    ties: Literal["davidson", "half"] = "davidson"
    """davidson: ties tell how near two arms are; half: each is half a vote for either."""

    @model_validator(mode="after")
    def _shares(self) -> "Study":
        if not self.axes or not self.shares or not all(0 < share < 100 for share in self.shares):
            raise ValueError(
                f"axes is {list(self.axes)}, shares {list(self.shares)}: one axis and percentages between 0 and 100 "
                "would do"
            )
        return self


class Recipe(Section):
    """The whole road, a section a verb."""

    seed: int = Field(0, ge=0)
    workers: int = Field(2, ge=0)
    """Guarded processes that read footage; 0: this process reads it (unguarded)."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    dtype: str = "auto"
    """Of the weights when videos are generated: auto, float32, bfloat16 or float16. Training has `precision` instead.
    """
    footage: Footage = Footage()
    curate: Curate = Curate()
    select: Select = Select()
    export: Export = Export()
    encode: Encode = Encode()
    train: Train = Train()
    generate: Generate = Generate()
    evaluate: Evaluate = Evaluate()
    report: Report = Report()
    study: Study = Study()

    @classmethod
    def open(cls, name: str | Path, overrides: Sequence[str] = ()) -> "Recipe":
        """Read a recipe by path or by shipped name, and apply overrides such as `train.video.steps=100`.

        Raises:
            MareyError: no such recipe, no TOML, an unknown key, or a value that will not do.
        """
        path = find(name)
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise MareyError(f"{path} is not valid TOML: {error}.") from error
        return cls.of(table, overrides, str(path))

    @classmethod
    def of(cls, table: dict[str, Any], overrides: Sequence[str] = (), where: str = "the recipe") -> "Recipe":
        """A recipe from a table as TOML gives it, after overrides."""
        for override in overrides:
            table = _overridden(table, override)
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            raise MareyError(_explain(cls, error, where)) from error

    def save(self, path: Path) -> None:
        """Write every value, defaults too, as TOML."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_toml(self.model_dump(mode="json")), encoding="utf-8")


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    here = Path(__file__).parent
    for folder in (here / "recipes", here.parents[1] / "recipes"):  # installed, and in a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.toml"))}
    return {}


def find(name: str | Path) -> Path:
    """The file of a recipe given by path or by shipped name."""
    path = Path(name)
    if path.is_file():
        return path
    recipes = shipped()
    if str(name) in recipes:
        return recipes[str(name)]
    raise MareyError(f"There is no recipe {str(name)!r}: a .toml file, or one of {', '.join(recipes)}, would do.")


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Tables in a table under dotted names: TOML reads `text_area.max = 0.07` as a table."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _overridden(table: dict[str, Any], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise MareyError(
            f"The override {override!r} is not of the form section.key=value, such as train.video.steps=100."
        )
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word is a string
        if value == "none":
            value = (
                None  # TOML has no word for it; `footage.budget_seconds=none` lifts a limit that a shipped recipe sets
            )
    *sections, last = key.strip().split(".")
    copy = json.loads(json.dumps(table))
    place = copy
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise MareyError(f"The override {override!r} goes into {section!r}, which is a value, not a section.")
    place[last] = value
    return copy


def _explain(recipe: type[BaseModel], error: ValidationError, where: str) -> str:
    lines = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        name = ".".join(path)
        if problem["type"] == "extra_forbidden":
            known = _known_keys(recipe, path[:-1])
            near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.0)
            lines.append(f"{name} is not a key{f'; the nearest is {near[0]!r}' if near else ''}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            said = f" is {problem['input']!r}" if not isinstance(problem["input"], dict) else ""
            lines.append(f"{name}{said}: {message[0].lower()}{message[1:]}")
    return f"In {where}: " + "; ".join(lines) + "."


def _known_keys(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        field = model.model_fields.get(part)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return list(model.model_fields)


def _toml(table: dict[str, Any], prefix: str = "") -> str:
    values = {key: value for key, value in table.items() if not isinstance(value, dict) and value is not None}
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    # JSON's strings, numbers, booleans and lists of them are TOML's too.
    text = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
    if prefix and (values or not tables):
        text = f"[{prefix}]\n{text}\n"
    elif values:
        text += "\n"
    return text + "".join(_toml(value, f"{prefix}.{key}" if prefix else key) for key, value in tables.items())
