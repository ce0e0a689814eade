"""`image` and `video` by a folder of a transformers model: BLIP, GIT, a vision encoder with a decoder, or any model
that follows a prompt about pictures (LLaVA, LLaVA-OneVision, Qwen-VL, Idefics, SmolVLM, InternVL ...)."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from marey.curate.captioner import Captioner, Column, Seen, Told, short_hash, within
from marey.curate.captioners import loading
from marey.curate.captioners.model_folder import find_model
from marey.curate.captioners.prompts import prompt
from marey.errors import MareyError, require
from marey.recipe import Captions

_CODE = "1"


class VisionCaptioner(Captioner):
    """One column by one model."""

    name = "transformers"

    def __init__(self, column: Column, settings: Captions) -> None:
        super().__init__(column, settings)
        self._own = getattr(settings, column)
        self._found = find_model(self._own.model)
        if self._found.gguf:
            raise MareyError(
                f"curate.captions.{column}.model is {self._own.model!r}: a language model sees no pictures."
            )

    @cached_property
    def version(self) -> str:
        """Backend, weights, and what is asked and shown."""
        frames = self._own.frames if self.column == "video" else 1
        asked = [_CODE, prompt(self.column, self._own.prompt), frames, self._own.size, self._own.tokens]
        return f"transformers@{self._found.hash}+{short_hash([*asked, self.settings.dtype])}"

    @property
    def batch(self) -> int:
        """As the recipe says."""
        return int(self._own.batch)

    def lacking(self) -> str:
        """torch and transformers."""
        return loading.lacking()

    def setup(self, threads: int) -> None:
        """Load the model.

        Raises:
            MareyError: it cannot be loaded, or cannot do what the column asks of it.
        """
        self._torch = require("torch", "train")
        self._torch.set_num_threads(threads)
        self._model = loading.load(["AutoModelForImageTextToText"], self._found, self.settings)
        processor = loading.part("AutoProcessor", self._found)
        # A vision encoder with a decoder has no processor of its own, only the two halves of one.
        self._pictures = getattr(processor, "image_processor", None) or loading.part("AutoImageProcessor", self._found)
        words = getattr(processor, "tokenizer", None) or loading.part("AutoTokenizer", self._found)
        self._words, self._processor = loading.prepare(words), processor
        self._chats = bool(getattr(processor, "chat_template", None)) and hasattr(processor, "image_processor")
        # Pictures stand among the words (BLIP-2, PaliGemma, Florence), and only their processor knows where.
        self._joins = hasattr(processor, "image_processor") and self._model.config.model_type not in ("blip", "git")
        self._frames = self._own.frames
        trained = getattr(self._model.config, "num_image_with_embedding", None)
        if self.column == "video" and not self._chats:
            if not trained:
                raise MareyError(
                    f"The model in {self._found.path} looks at one picture and follows no prompt, so it cannot caption "
                    "a video: a GIT that was trained on video, or a model with a chat template, would do."
                )
            self._frames = int(trained)
        if self.column == "image" and trained and trained > 1:
            raise MareyError(
                f"The model in {self._found.path} was trained on {trained} frames of a video: it would do for "
                "curate.captions.video, not for the image."
            )

    def tell(self, clips: Sequence[Seen]) -> dict[str, Told]:
        """What the model says of each; a clip whose frames cannot be had costs itself alone."""
        told: dict[str, Told] = {}
        shown: dict[str, list[Any]] = {}
        for clip in clips:
            try:
                frames = clip.frames(self._frames) if self.column == "video" else [clip.middle]
                shown[clip.id] = [_small(frame, self._own.size) for frame in frames]
            except Exception as error:
                told[clip.id] = Told.failure(error)
        if shown:
            with self._torch.inference_mode():
                seconds = [float(clip.clip["seconds"]) for clip in clips if clip.id in shown]
                pictures = list(shown.values())
                texts = self._asked(pictures, seconds) if self._chats else self._plain(pictures)
            told |= {name: Told.of(text) for name, text in zip(shown, texts, strict=True)}
        return told

    def _asked(self, shown: Sequence[Sequence[Any]], seconds: Sequence[float]) -> list[str]:
        """Pictures, or a video of so many seconds where the model knows videos, and the prompt after them."""
        asked = prompt(self.column, self._own.prompt)
        knows_videos = self.column == "video" and getattr(self._processor, "video_processor", None) is not None
        kind = "video" if knows_videos else "image"
        talks = []
        for frames in shown:
            marks = [{"type": kind}] if knows_videos else [{"type": kind} for _ in frames]
            talks.append([{"role": "user", "content": [*marks, {"type": "text", "text": asked}]}])
        texts = self._processor.apply_chat_template(talks, add_generation_prompt=True, tokenize=False)
        given: dict[str, Any] = {"images": [list(frames) for frames in shown]}
        if knows_videos:
            videos = [np.stack([np.asarray(frame) for frame in frames]) for frames in shown]  # each (T, H, W, 3)
            # Some models say in words when each frame was.
            times = []
            for video, long in zip(videos, seconds, strict=True):
                count = len(video)
                fps = count / max(long, 1e-3)
                times.append({"total_num_frames": count, "fps": fps, "frames_indices": list(range(count))})
            given = {"videos": videos, "do_sample_frames": False, "video_metadata": times}
        inputs = self._processor(text=texts, padding=True, return_tensors="pt", **given)
        inputs = inputs.to(self._model.device, self._model.dtype)
        made = self._model.generate(**inputs, max_new_tokens=self._own.tokens, **loading.GREEDY)
        return loading.answers(self._words, inputs["input_ids"], made)

    def _plain(self, shown: Sequence[Sequence[Any]]) -> list[str]:
        """A captioner: pictures in, words out. The recipe's own prompt, if there is one, is how they begin."""
        if self.column == "image" and self._joins:
            pictures = [frames[0] for frames in shown]
            texts = [self._own.prompt] * len(shown)
            both = self._processor(images=pictures, text=texts, padding=True, return_tensors="pt")
            both = both.to(self._model.device, self._model.dtype)
            made = self._model.generate(**both, max_new_tokens=self._own.tokens, **loading.GREEDY)
            return loading.answers(self._words, both["input_ids"], made)
        values = self._pictures(images=[frame for frames in shown for frame in frames], return_tensors="pt")
        pixels = values["pixel_values"]  # (B * frames, C, H, W)
        if self.column == "video":
            pixels = self._repeated(pixels, [len(frames) for frames in shown])
        inputs: dict[str, Any] = {"pixel_values": pixels.to(self._model.device, self._model.dtype)}
        if self._own.prompt:
            begun = self._torch.tensor([self._beginning(self._own.prompt)] * len(shown), device=self._model.device)
            inputs["decoder_input_ids" if self._model.config.is_encoder_decoder else "input_ids"] = begun
        made = self._model.generate(**inputs, max_new_tokens=self._own.tokens, **loading.GREEDY)
        return loading.answers(self._words, None, made)

    def _beginning(self, text: str) -> list[int]:
        """The ids of a sentence that the model is to go on with."""
        words, config = self._words, self._model.config
        ids = list(words(text, add_special_tokens=False)["input_ids"])
        if config.model_type == "blip":
            # It puts its own first token in the place of this one, and takes the last one away.
            return [config.text_config.bos_token_id, *ids, config.text_config.sep_token_id]
        if config.is_encoder_decoder:
            return [config.decoder_start_token_id, *ids]
        first = words.bos_token_id if words.cls_token_id is None else words.cls_token_id
        return ids if first is None else [first, *ids]

    def _repeated(self, pixels: Any, counts: Sequence[int]) -> Any:
        """(sum of counts, C, H, W) to (B, frames, C, H, W): a clip with too few frames shows its last one again."""
        clips, first = [], 0
        for count in counts:
            numbers = [first + min(n, count - 1) for n in range(self._frames)]
            clips.append(pixels[numbers])
            first += count
        return self._torch.stack(clips)


def _small(frame: np.ndarray, side: int) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(within(frame, side)))
