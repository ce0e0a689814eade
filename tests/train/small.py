"""Settings of a training that is over in a few seconds."""

from marey import recipe

_STAGE = {"batch": 6, "lr": 1e-3, "warmup": 2, "ema": 0.9, "steps": 4, "evaluate_every": 2, "checkpoint_every": 2}
SETTINGS = recipe.Train(
    name="pair",
    network=recipe.Network(channels=(32, 64), context=32, embed=32, text_tokens=8),
    image=recipe.Stage(**_STAGE),
    video=recipe.Stage(**_STAGE, p_mean=0.0, accumulate=2),
    finetune=recipe.Stage(**_STAGE, p_mean=0.7, p_std=1.6, precision="bf16"),
)
