"""What comes in, and how it becomes clips: `[footage]` and `[curate]`."""

from typing import Literal

from pydantic import Field, model_validator

from marey.recipe.section import Section


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

    text: Literal["marey", "rapidocr"] = "marey"
    """What the signal text_area counts as text: lines of text, or every box that RapidOCR's defaults give, as pipelines
    around it do; its defaults take five times as long and put a box around many a picture without any text."""

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
