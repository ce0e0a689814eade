"""Layouts of an export: how trainers want clips, captions and numbers to lie. A layout is one file, registered here."""

from marey.catalog.layouts.diffusion_pipe import DiffusionPipe
from marey.catalog.layouts.finetrainers import Finetrainers
from marey.catalog.layouts.folder import Folder
from marey.catalog.layouts.layout import Layout, Written
from marey.catalog.layouts.musubi_tuner import MusubiTuner
from marey.catalog.layouts.open_sora import OpenSora
from marey.catalog.layouts.videox_fun import VideoXFun
from marey.catalog.layouts.webdataset import WebDataset

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (Folder(), WebDataset(), Finetrainers(), DiffusionPipe(), MusubiTuner(), OpenSora(), VideoXFun())
}

__all__ = ["LAYOUTS", "Layout", "Written"]
