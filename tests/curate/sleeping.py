"""Stages that never answer for one file, in a module of their own: spawned workers import it."""

import time
from typing import Any

from marey.curate.read import ProbeStage, ReadStage


class SleepyProbe(ProbeStage):
    """As the probe, but for a file whose name says that it is asleep."""

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        doze(item)
        return super().process(item)


class SleepyRead(ReadStage):
    """As the reader, but for a file whose name says that it is asleep."""

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        doze(item)
        return super().process(item)


def doze(item: dict[str, Any]) -> None:
    if "asleep" in item["path"]:
        time.sleep(3600)
