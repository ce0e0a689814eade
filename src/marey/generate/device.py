"""Which device and which precision a model runs on."""

import torch

from marey.errors import MareyError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick(device: str | torch.device = "auto") -> torch.device:
    """The device of a name: cpu, cuda, cuda:N, mps, or auto for the best that is there.

    Raises:
        MareyError: it is unknown, or not available here.
    """
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _mps() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise MareyError(f"There is no device {str(device)!r}: auto, cpu, cuda, cuda:N or mps would do.") from error
    if chosen.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise MareyError(
                f"The device {str(device)!r} is not available: torch finds no CUDA here. 'auto' or 'cpu' would do."
            )
        if (chosen.index or 0) >= count:
            raise MareyError(f"The device {str(device)!r} is not available: there are {count}, from cuda:0 on.")
    elif chosen.type == "mps":
        if not _mps():
            raise MareyError(
                "The device 'mps' is not available: it needs a Mac with Apple silicon. 'auto' or 'cpu' would do."
            )
    elif chosen.type != "cpu":
        raise MareyError(f"Marey does not run on {str(device)!r}: auto, cpu, cuda, cuda:N or mps would do.")
    return chosen


def pick_dtype(dtype: str | torch.dtype, device: torch.device, saved: torch.dtype = torch.float32) -> torch.dtype:
    """The precision of a name on a device. 'auto' is float32, on CUDA the precision that the weights were `saved` in.

    Raises:
        MareyError: it is unknown, or the device cannot do it.
    """
    if isinstance(dtype, torch.dtype):
        chosen = dtype
    elif dtype == "auto":
        chosen = saved if device.type == "cuda" else torch.float32
    elif dtype in DTYPES:
        chosen = DTYPES[dtype]
    else:
        raise MareyError(f"There is no dtype {dtype!r}: auto, {', '.join(DTYPES)} would do.")
    if chosen == torch.float16 and device.type == "cpu":
        raise MareyError("float16 is not for the CPU: float32 or bfloat16 would do.")
    if chosen not in (*DTYPES.values(), torch.float64):
        raise MareyError(f"Models do not run in {chosen}: {', '.join(DTYPES)} would do.")
    return chosen


def fast_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 by itself. A CPU without AVX-512 BF16 or AMX is slower in it."""
    if device.type == "cpu":
        checks = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
        return any(bool(check()) for check in checks if check is not None)
    return device.type != "cuda" or bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _mps() -> bool:
    return bool(torch.backends.mps.is_available())
