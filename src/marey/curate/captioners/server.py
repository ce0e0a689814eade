"""Any column by a server that speaks OpenAI's `/v1/chat/completions`."""

import base64
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from marey.curate.captioner import Captioner, Column, Seen, Told, short_hash, within
from marey.curate.captioners.chat import Chat, Unanswered, Unfit
from marey.curate.captioners.language import bare, merged
from marey.curate.captioners.prompts import merging, prompt
from marey.media import jpeg_bytes
from marey.recipe import Captions

_CODE = "2"
_PROCESSES = 2
_ROUNDS = 2  # questions a thread that one batch has: an answer that takes long does not leave the others idle


class ServerCaptioner(Captioner):
    """Several questions under way at a time, each answered to its own clip."""

    name = "server"

    def __init__(self, column: Column, settings: Captions) -> None:
        super().__init__(column, settings)
        self._own = getattr(settings, column)

    @cached_property
    def version(self) -> str:
        """Backend, the model's name, and what is asked and shown; not where the server is."""
        frames = {"image": 1, "video": self._own.frames, "merged": 0}[self.column]
        asked = [_CODE, prompt(self.column, self._own.prompt), frames, self._own.size, self._own.tokens]
        return f"server@{self._own.model}+{short_hash([*asked, self._own.checked])}"

    @property
    def processes(self) -> int:
        """Two, so that one asks while the other waits for its slowest answer."""
        return min(_PROCESSES, self.settings.server.concurrency)

    @property
    def batch(self) -> int:
        """Some questions for each thread."""
        return _ROUNDS * self._threads

    @property
    def seconds(self) -> float:
        """If every question of a batch takes all its retries."""
        server = self.settings.server
        return 60 + _ROUNDS * (server.retries + 1) * (server.timeout_seconds + 1.5 * server.longest_wait_seconds)

    def lacking(self) -> str:
        """The key, where one is asked for."""
        name = self.settings.server.key_variable
        return "" if not name or os.environ.get(name) else f"the environment variable {name} holds no key"

    def setup(self, threads: int) -> None:
        """Nothing is loaded."""
        server = self.settings.server
        self._chat = Chat(server, os.environ.get(server.key_variable, "") if server.key_variable else "")

    def tell(self, clips: Sequence[Seen]) -> dict[str, Told]:
        """What the server says of each."""
        with ThreadPoolExecutor(self._threads, thread_name_prefix="marey-caption") as pool:
            asked = {clip.id: pool.submit(self._told, clip) for clip in clips}
            return {name: answer.result() for name, answer in asked.items()}

    @property
    def _threads(self) -> int:
        return -(-self.settings.server.concurrency // self.processes)

    def _told(self, clip: Seen) -> Told:
        try:
            text, note = self._chat.ask(self._question(clip))
        except Unanswered as error:
            return Told(status="missing", reason=str(error))
        except Unfit as error:
            return Told(status="failed", reason=str(error))
        except Exception as error:
            return Told.failure(error)
        if self.column == "merged":
            return merged(text, clip.captions["image"], clip.captions["video"], self._own.checked)
        return Told.of(bare(text), note)

    def _question(self, clip: Seen) -> dict[str, Any]:
        asked = prompt(self.column, self._own.prompt)
        content: list[dict[str, Any]] | str
        if self.column == "merged":
            content = merging(asked, clip.captions["image"], clip.captions["video"])
        else:
            frames = clip.frames(self._own.frames) if self.column == "video" else [clip.middle]
            pictures = [{"type": "image_url", "image_url": {"url": _uri(frame, self._own.size)}} for frame in frames]
            content = [*pictures, {"type": "text", "text": asked}]
        return {
            "model": self._own.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self._own.tokens,
            "temperature": 0,
            "seed": 0,
        }


def _uri(frame: np.ndarray, side: int) -> str:
    """A picture as a data URI, its long side at most `side` pixels."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg_bytes(within(frame, side), 90)).decode()
