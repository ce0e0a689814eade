"""Safetensors files written tensor by tensor: byte for byte what the safetensors library writes, without the copy of
everything that it makes in memory first, which beside an optimizer's moments is often more than there is."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_WIDEST_FIRST = ("I64", "F64", "F32", "I32", "BF16", "F16", "I16", "I8", "U8", "BOOL")
"""The library's order in a file; within a kind by name."""


def save_file(tensors: Mapping[str, torch.Tensor], path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors, of any device, layout and shared memory; one of them at a time is copied.

    Raises:
        ValueError: a dtype that the format is not asked for here.
        OSError: it could not be written; what there is of it stays.
    """
    for name, value in tensors.items():
        if value.dtype not in _NAMES:
            raise ValueError(f"{name} is of {value.dtype}: one of {', '.join(map(str, _NAMES))} would do")
    order = sorted(tensors, key=lambda name: (_WIDEST_FIRST.index(_NAMES[tensors[name].dtype]), name))
    table: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in order:
        value = tensors[name]
        start, end = end, end + value.numel() * value.element_size()
        table[name] = {"dtype": _NAMES[value.dtype], "shape": list(value.shape), "data_offsets": [start, end]}
    head = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    with Path(path).open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for name in order:
            plain = tensors[name].detach().cpu().contiguous()
            file.write(plain.reshape(-1).view(torch.uint8).numpy().data)
