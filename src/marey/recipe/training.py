"""What the model sees, is, and learns: `[encode]`, `[train]` and `[generate]`."""

from typing import Any, Literal

from pydantic import Field, model_validator

from marey.recipe.presets import preset
from marey.recipe.section import Section


class Windows(Section):
    """The pieces of clips that a model is trained on: non-overlapping, of equal size."""

    frames: int = Field(8, ge=2)
    fps: float = Field(8.0, gt=0)
    """Frames are taken at the whole stride of the source that comes nearest to this rate; the true rate is a
    condition."""
    size: int = Field(64, ge=16)
    """Height in pixels, and width where that is not said; a multiple of the autoencoder's factor."""
    width: int | None = Field(None, ge=16)
    """The largest centred part of these proportions is seen. None: a square."""
    buckets: tuple[tuple[int, int, int], ...] = ()
    """Several (frames, height, width) instead: a clip goes to those of its own proportions, as long as it fills."""
    heldout_share: float = Field(0.2, gt=0, lt=1)
    heldout_least: int = Field(24, ge=1)
    """At least this many windows are held out, by whole groups of footage that share an origin or near-duplicates."""
    most: int | None = Field(None, ge=1)
    """At most this many windows in all, taken evenly from the clips. None: all."""

    @property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(frames, height, width) of the windows that there may be."""
        return self.buckets or ((self.frames, self.size, self.width or self.size),)

    @model_validator(mode="after")
    def _buckets(self) -> "Windows":
        for bucket in self.buckets:
            if bucket[0] < 2 or min(bucket[1:]) < 16:
                raise ValueError(f"buckets has {bucket}: 2 frames and sides of 16 pixels or more would do")
        return self


class Autoencoder(Section):
    """diffusers' AutoencoderKLTemporalDecoder in a small configuration, trained here."""

    channels: tuple[int, ...] = (96, 32, 96)
    """One a level, finest first, multiples of 32; the factor is 2 ** (levels - 1). The finest and the coarsest want 96
    or more: normalisation has 32 groups, and groups of fewer than three channels lose how bright a picture is.
    """
    layers: int = Field(1, ge=1)
    latent_channels: int = Field(4, ge=1)
    start: str | None = None
    """A model, of videos or of pictures as of train.start, whose autoencoder this one begins as; what is said above
    does not count then. Its encoder and its scale stay, so that the latents are what that model's UNet knows: only the
    decoder is trained. None: from nothing."""
    steps: int = Field(600, ge=0)
    """0, with a start: it is taken as it is."""
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

    @model_validator(mode="after")
    def _begun(self) -> "Autoencoder":
        if not self.steps and self.start is None:
            raise ValueError("steps is 0 and there is no start: 1 or more would do, or start = 'marey-tiny'")
        return self


class Encode(Section):
    """Selected clips to windows, and windows to latents, once."""

    windows: Windows = Windows()
    autoencoder: Autoencoder = Autoencoder()


class Network(Section):
    """The spatio-temporal UNet and its embedders."""

    channels: tuple[int, ...] = (64, 128, 128)
    """One a level, each a multiple of 32."""
    attends: tuple[bool, ...] | None = None
    """Which levels have transformers; the middle always has one. None: all levels but the last."""
    layers: int = Field(1, ge=1)
    head_width: int = Field(32, ge=8)
    context: int = Field(64, ge=8)
    """Width of the cross-attention tokens."""
    embed: int = Field(32, ge=8)
    """Width of the sinusoid of each added condition (fps, motion bucket, noise augmentation)."""
    text_tokens: int = Field(32, ge=4, le=77)
    pools_context: bool = False
    """Whether all tokens together are told to every residual block, too: a text then reaches all levels."""


class Stage(Section):
    """One training stage, after the paper's table (svd.md §1.6)."""

    preset: str | None = None
    """A preset by its name (`marey presets`), from which this section has what it does not say itself."""
    steps: int = Field(200, ge=1)
    batch: int = Field(8, ge=1)
    """Pictures (image stage) or windows a step."""
    pixels: int | None = Field(None, ge=256)
    """Instead: frames x height x width of all windows of a step at most. With `encode.windows.buckets` each shape has a
    batch of its own by this."""
    pictures: float = Field(0.0, ge=0, lt=1)
    """Of a video stage, the share of a batch that is single pictures, past which the temporal layers are led: they have
    no first frame, so that both conditions are zeroed."""
    lr: float = Field(3e-4, gt=0)
    warmup: int = Field(20, ge=0)
    p_mean: float = -1.2
    p_std: float = Field(1.0, gt=0)
    """log sigma is drawn from N(p_mean, p_std^2), once a clip."""
    drop_condition: float = Field(0.1, ge=0, lt=1)
    """Chance that a clip's token, and apart from it its conditioning frame, is zeroed."""
    drop_both: float = Field(0.0, ge=0, lt=1)
    """Chance, apart from that, that both are zeroed together, as guidance does when it samples."""
    noise_aug_mean: float = -3.0
    noise_aug_std: float = Field(0.5, ge=0)
    """The conditioning frame gets pixel noise of log-normal strength (video stages)."""
    ema: float = Field(0.995, ge=0, lt=1)
    ema_warmup: bool = True
    ema_widths: tuple[float, ...] = ()
    """Relative widths of power-function averages that are kept beside the exponential one (arXiv 2312.02696), such as
    [0.05, 0.1]; each checkpoint leaves a snapshot of them, from which any width is put together afterwards."""
    ema_choice: float | None = Field(None, gt=0, le=0.28)
    """The model is made of the power-function average of this width. None: of the exponential average."""
    accumulate: int = Field(1, ge=1)
    """Go through a process's share of a batch in so many pieces: less memory, the same steps."""
    checkpointing: bool | tuple[int, ...] = False
    """Compute the activations of every block, the temporal ones too, a second time in the backward pass: a fraction of
    the memory, about a third more time. Or only those of some levels, such as [0], the finest, which takes the most."""
    clip_norm: float = Field(1.0, gt=0)
    checkpoint_every: int = Field(100, ge=1)
    evaluate_every: int = Field(50, ge=1)
    """Held-out loss at fixed sigmas every so many steps."""
    samples_every: int | None = Field(None, ge=1)
    """Of a video stage: animate up to four held-out stills every so many steps, into runs/NAME/validation/."""
    quality_percent: float | None = Field(None, gt=0, le=100)
    """Finetuning: use only this share of the training windows, those of the best clips by `quality_by`."""
    quality_by: str = "sharpness"
    precision: Literal["no", "bf16", "fp16", "auto"] = "no"
    """Autocast; weights stay in float32. auto: bf16 where the device computes in it by itself, no where it does not."""

    @model_validator(mode="after")
    def _averages(self) -> "Stage":
        for width in self.ema_widths:
            if not 0 < width <= 0.28:
                raise ValueError(f"ema_widths has {width}: more than 0 and up to 0.28 would do, such as 0.05")
        if self.ema_choice is not None and not self.ema_widths:
            raise ValueError("ema_choice is made out of ema_widths, of which there are none: [0.05, 0.1] would do")
        return self

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, said: Any) -> Any:
        if not isinstance(said, dict) or said.get("preset") is None:
            return said
        return {**preset(said["preset"]).values, **said}


class Train(Section):
    """The three training stages of one model."""

    name: str = Field("tiny", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    """The model's folder under models/."""
    start: str | None = None
    """A model, marey-tiny or a folder, with whose networks the video stage begins, of whatever shape they are; there is
    no image stage then. Or a picture model, a folder of Stable Diffusion 2.1's kind: the image stage begins with it, of
    which the preset image-convert trains the embedding of noise levels alone, as the paper does first.
    `encode.autoencoder.start` has to name it, too. None: from nothing."""
    network: Network = Network()
    image: Stage = Stage()
    video: Stage = Stage(p_mean=0.0)
    finetune: Stage = Stage(p_mean=0.7, p_std=1.6, lr=1e-4)
    trackers: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Where losses go beside metrics.jsonl, by accelerate; each has to be installed."""


class Finetune(Section):
    """A model that is there, on a selection: a LoRA, or all of it."""

    name: str = Field("finetuned", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    """The result's folder under models/."""
    full: bool = False
    """Train all weights of the UNet, instead of a LoRA."""
    condition: Literal["still", "ends", "elevation", "poses"] | None = None
    """What the model is told: the first frame (still); the first and the last, between which it fills in (ends); the
    first and the height of a camera that goes around (elevation), or the camera of every frame (poses). Another one
    than the model has wants `full`. None: that of `stage.preset` where it is interpolation or multi-view, whose number
    of frames is then taken too, and otherwise the model's own."""
    rank: int = Field(16, ge=1)
    """Of the LoRA's matrices."""
    alpha: float | None = Field(None, gt=0)
    """How strong the LoRA is, over its rank. None: the rank."""
    targets: str = "temporal attention"
    """Which layers have a LoRA: temporal attention, spatial attention, attention, temporal, all, or a regular
    expression over their names."""
    frames: int | None = Field(None, ge=2)
    """Of the windows. None: as the model was trained."""
    fps: float | None = Field(None, gt=0)
    height: int | None = Field(None, ge=16)
    width: int | None = Field(None, ge=16)
    most: int | None = Field(None, ge=1)
    """At most this many windows. None: all."""
    heldout_share: float = Field(0.2, gt=0, lt=1)
    heldout_least: int = Field(4, ge=1)
    draws: int = Field(16, ge=0)
    """Noised encodings of each first frame that are kept, so that no step runs the autoencoder. 0: one is made anew in
    every step."""
    trackers: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """As of [train]."""
    stage: Stage = Stage(
        steps=1000,
        batch=4,
        lr=1e-4,
        warmup=20,
        p_mean=1.0,
        p_std=1.6,
        drop_condition=0.15,
        ema=0.99,
        precision="auto",
        checkpoint_every=100,
        evaluate_every=100,
    )
    """As a stage of training; the preset camera-lora has the paper's numbers."""

    @model_validator(mode="before")
    @classmethod
    def _stage(cls, said: Any) -> Any:
        if isinstance(said, dict) and isinstance(said.get("stage"), dict) and said["stage"].get("preset") is None:
            usual = cls.model_fields["stage"].default.model_dump()
            return {**said, "stage": {**usual, **said["stage"]}}
        if isinstance(said, dict) and isinstance(said.get("stage"), dict) and said.get("condition") is None:
            one = preset(said["stage"]["preset"])
            if one.condition != "still":
                return {**said, "condition": one.condition, "frames": said.get("frames") or one.frames}
        return said


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
    cache: float = Field(0.0, ge=0)
    """How much the network's input may change, as a share, until its inner part is computed anew (0.3 nearly halves
    the time of many steps); 0: it always is."""
    sigma_min: float = Field(0.002, gt=0)
    sigma_max: float = Field(80.0, gt=0)
    noise_aug: float = Field(0.02, ge=0)
    windows: int | None = Field(None, ge=1)
    """How many held-out windows are animated. None: all."""
    batch: int = Field(8, ge=1)
