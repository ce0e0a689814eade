"""Files of LoRAs, in and out: peft's folder, and single files of diffusers-style, kohya-style and sgm-style trainers.

What they call a layer differs in three ways: a prefix (`base_model.model.`, `unet.`, `lora_unet_`,
`model.diffusion_model.`), dots or underscores, and diffusers' or sgm's names of the layers. A layer is found by its
name without all of these, among both names of every layer that there is.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from marey.errors import MareyError
from marey.network.lora import Pair, pairs_of, put_adapter
from marey.network.sgm_names import unet_name
from marey.network.unet import SpatioTemporalUNet
from marey.network.weights import PICKLES, refuse_pickle

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
_PREFIX = re.compile(r"^(base_model\.model\.|model\.diffusion_model\.|diffusion_model\.|lora_unet_|unet\.|unet_)+")
_DOWN = (".lora_A.weight", ".lora_A.default.weight", ".lora_down.weight", ".lora.down.weight")
_UP = (".lora_B.weight", ".lora_B.default.weight", ".lora_up.weight", ".lora.up.weight")
_PROCESSOR = re.compile(r"\.processor\.(to_q|to_k|to_v|to_out)_lora\.(down|up)\.weight$")


def save_adapter(unet: SpatioTemporalUNet, name: str, folder: str | Path, *, base: str = "") -> Path:
    """Write an adapter as peft's folder: adapter_config.json and adapter_model.safetensors.

    Args:
        base: names the model that it was trained on, for the configuration.

    Raises:
        MareyError: there is no adapter of this name.
    """
    pairs = pairs_of(unet, name)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ranks, alphas = {pair.rank for pair in pairs.values()}, {pair.alpha for pair in pairs.values()}
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "base_model_name_or_path": base or None,
        "r": max(ranks),
        "lora_alpha": max(alphas),
        "rank_pattern": {} if len(ranks) == 1 else {at: pair.rank for at, pair in pairs.items()},
        "alpha_pattern": {} if len(alphas) == 1 else {at: pair.alpha for at, pair in pairs.items()},
        "target_modules": sorted(pairs),
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    state = {}
    for at, pair in pairs.items():
        state[f"base_model.model.{at}.lora_A.weight"] = pair.down.detach().cpu().contiguous()
        state[f"base_model.model.{at}.lora_B.weight"] = pair.up.detach().cpu().contiguous()
    part = folder / f".{WEIGHTS}.tmp"
    save_file(state, part, metadata={"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / WEIGHTS)
    return folder


def load_adapter(unet: SpatioTemporalUNet, path: str | Path, name: str = "", *, strength: float = 1.0) -> str:
    """Lay a LoRA of a file or of peft's folder beside the UNet's weights.

    Args:
        path: a folder with adapter_model.safetensors or pytorch_lora_weights.safetensors, or a .safetensors file.
        name: of the adapter; that of the file by default.
        strength: how strong it is heard.

    Returns:
        The name.

    Raises:
        MareyError: no such file, a pickle, a kind of adapter that is none of LoRA, or layers that this UNet has not.
    """
    path = Path(path).expanduser()
    file, config = _file(path), {}
    if (file.parent / CONFIG).is_file() and file.name == WEIGHTS:
        config = _config(file.parent / CONFIG)
    name = name or re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem)[:64]
    put_adapter(unet, name, _pairs(unet, file, config), strength)
    return name


def _file(path: Path) -> Path:
    if path.is_dir():
        for known in (WEIGHTS, "pytorch_lora_weights.safetensors"):
            if (path / known).is_file():
                return path / known
        for pickled in ("adapter_model.bin", "pytorch_lora_weights.bin"):
            if (path / pickled).is_file():
                refuse_pickle(path / pickled)
        raise MareyError(f"{path} has no LoRA: {WEIGHTS} or pytorch_lora_weights.safetensors would do.")
    if path.suffix in PICKLES:
        refuse_pickle(path)
    if not path.is_file():
        raise MareyError(f"There is no LoRA at {path}.")
    return path


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kind = config.get("peft_type")
    except (OSError, ValueError, AttributeError) as error:
        raise MareyError(f"{path} cannot be read: {error}.") from error
    if kind != "LORA" or config.get("use_dora") or config.get("modules_to_save"):
        what = "DoRA" if config.get("use_dora") else "one with whole layers" if config.get("modules_to_save") else kind
        raise MareyError(f"{path} is of {what}: a plain LoRA would do.")
    return dict(config)


def _pairs(unet: SpatioTemporalUNet, file: Path, config: dict[str, Any]) -> dict[str, Pair]:
    tensors = _tensors(file)
    known = _known(unet)
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        stem, role = _role(key)
        if stem is None:
            raise MareyError(f"{file} has {key!r}, which is no part of a LoRA that Marey knows.")
        at = known.get(_plain(stem))
        if at is None:
            raise MareyError(f"{file} is for a layer {stem!r}, which this UNet does not have: it was made for another.")
        found.setdefault(at, {})[role] = value
    pairs = {}
    for at, parts in found.items():
        if not {"down", "up"} <= parts.keys():
            raise MareyError(f"{file} has only half of the LoRA of {at!r}.")
        rank = len(parts["down"])
        alpha = float(parts["alpha"]) if "alpha" in parts else _alpha(at, rank, config)
        pairs[at] = Pair(parts["down"].float(), parts["up"].float(), alpha)
    return pairs


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt") as held:
            return {key: held.get_tensor(key) for key in held.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise MareyError(f"{file} cannot be read ({error}): a whole safetensors file would do.") from error


def _role(key: str) -> tuple[str | None, str]:
    """The layer's name, with its prefix, and what of it this is: down, up or alpha."""
    for role, ends in (("down", _DOWN), ("up", _UP), ("alpha", (".alpha",))):
        for end in ends:
            if key.endswith(end):
                return key.removesuffix(end), role
    if match := _PROCESSOR.search(key):  # as diffusers wrote attention processors
        return f"{key[: match.start()]}.{match[1]}", match[2]
    return None, ""


def _known(unet: SpatioTemporalUNet) -> dict[str, str]:
    """The layers by both of their plain names."""
    names: dict[str, str] = {}
    for at, layer in unet.named_modules():
        if hasattr(layer, "weight") and ".parametrizations" not in at:
            theirs = unet_name(f"{at}.weight", unet.config).removesuffix(".weight")
            names |= {_plain(at): at, _plain(theirs): at}
    return names


def _plain(name: str) -> str:
    """Without prefixes, and with neither dots nor the 0 of `to_out.0`, which some leave out."""
    return re.sub(r"to_out_0$", "to_out", _PREFIX.sub("", name).replace(".", "_"))


def _alpha(at: str, rank: int, config: dict[str, Any]) -> float:
    alpha = float(_of_pattern(at, config.get("alpha_pattern") or {}, config.get("lora_alpha", rank)))
    return alpha * math.sqrt(rank) if config.get("use_rslora") else alpha


def _of_pattern(at: str, patterns: dict[str, Any], usual: Any) -> Any:
    """As peft looks a layer up: by the whole name, or by its end."""
    return next((value for end, value in patterns.items() if at == end or at.endswith(f".{end}")), usual)
