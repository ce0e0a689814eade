"""Load a transformers model from a folder: safetensors or GGUF, no code of the folder's, on the recipe's device."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from marey.curate.captioners.model_folder import ModelFolder
from marey.errors import MareyError, require
from marey.recipe import Captions

GREEDY = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
"""The same pictures give the same words."""


def lacking() -> str:
    """What transformers models need that is not installed."""
    if find_spec("torch") is None or find_spec("transformers") is None:
        return "models need the extra 'train': pip install \"marey[train]\""
    return ""


def load(kinds: Sequence[str], found: ModelFolder, settings: Captions) -> Any:
    """The model by the first of transformers' auto classes that knows it, ready to generate.

    Args:
        kinds: names of auto classes, such as AutoModelForCausalLM.

    Raises:
        MareyError: none of them knows it, it wants code of its own, or its weights cannot be read.
    """
    torch, transformers = require("torch", "train"), require("transformers", "train")
    where, dtype = _place(torch, settings)
    options = {"gguf_file": found.gguf} if found.gguf else {"use_safetensors": True}
    config = part("AutoConfig", found)
    classes = [getattr(transformers, kind) for kind in kinds]
    fit = next((one for one in classes if type(config) in one._model_mapping), None)
    if fit is None:
        raise MareyError(
            f"The model in {found.path} is a {config.model_type}, which is none that transformers loads as "
            f"{' or '.join(kinds)}."
        )
    try:
        model = fit.from_pretrained(found.path, trust_remote_code=False, dtype=dtype, **options)
    except Exception as error:
        raise _unreadable(found, error) from error
    return model.eval().to(where)


def part(kind: str, found: ModelFolder) -> Any:
    """The folder's configuration, processor or tokenizer by the name of transformers' auto class.

    Raises:
        MareyError: there is none, or it wants code of its own.
    """
    transformers = require("transformers", "train")
    options = {"gguf_file": found.gguf} if found.gguf else {}
    try:
        return getattr(transformers, kind).from_pretrained(found.path, trust_remote_code=False, **options)
    except Exception as error:
        raise _unreadable(found, error) from error


def prepare(tokenizer: Any) -> Any:
    """A tokenizer made ready to generate in batches: answers begin where prompts end."""
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def answers(tokenizer: Any, given: Any, generated: Any) -> list[str]:
    """The texts of generated ids (B, N), without the prompts (B, M) where a model repeats them."""
    if given is not None and generated.shape[1] >= given.shape[1]:
        length = given.shape[1]
        if bool((generated[:, :length] == given).all()):
            generated = generated[:, length:]
    return [str(text).strip() for text in tokenizer.batch_decode(generated, skip_special_tokens=True)]


def _place(torch: Any, settings: Captions) -> tuple[Any, Any]:
    name = settings.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        where = torch.device(name)
        torch.empty(1, device=where)
    except Exception as error:
        raise MareyError(f"curate.captions.device is {name!r}: {str(error).splitlines()[0]}") from error
    kinds = {"cpu": "float32", "cuda": "bfloat16", "mps": "float16"}
    dtype = kinds.get(where.type, "float32") if settings.dtype == "auto" else settings.dtype
    return where, getattr(torch, dtype)


def _unreadable(found: ModelFolder, error: Exception) -> MareyError:
    text = " ".join(str(error).split())[:300] or "no reason given"
    hint = ""
    if find_spec("torchvision") is None and ("torchvision" in text or "VIDEO_PROCESSOR" in text):
        hint = " (its processor needs torchvision: pip install torchvision)"
    return MareyError(f"The model in {found.path / found.gguf} cannot be loaded: {type(error).__name__}: {text}{hint}")
