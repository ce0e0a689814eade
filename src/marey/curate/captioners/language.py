"""`merged` by a language model in a transformers folder or a GGUF file, causal or encoder-decoder."""

import re
from collections.abc import Sequence
from functools import cached_property

from marey.curate.caption import joined
from marey.curate.captioner import Captioner, Column, Seen, Told, short_hash
from marey.curate.captioners import loading
from marey.curate.captioners.agree import disagreement
from marey.curate.captioners.model_folder import find_model
from marey.curate.captioners.prompts import merging, prompt
from marey.errors import require
from marey.recipe import Captions

_CODE = "2"
_PREAMBLE = re.compile(r"""^[^.:"“]{0,40}\b(?:caption|sentence|description)\b[^.:"“]{0,20}:\s*""", re.IGNORECASE)
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"))


class LanguageMerger(Captioner):
    """One sentence of two, by a model that runs here."""

    name = "transformers"

    def __init__(self, column: Column, settings: Captions) -> None:
        super().__init__(column, settings)
        self._own = settings.merged
        self._found = find_model(self._own.model)

    @cached_property
    def version(self) -> str:
        """Backend, weights and prompt."""
        asked = [_CODE, prompt("merged", self._own.prompt), self._own.tokens, self._own.checked, self.settings.dtype]
        return f"transformers@{self._found.hash}+{short_hash(asked)}"

    @property
    def batch(self) -> int:
        """As the recipe says."""
        return int(self._own.batch)

    def lacking(self) -> str:
        """torch and transformers; gguf for such a file."""
        from importlib.util import find_spec

        if self._found.gguf and find_spec("gguf") is None:
            return "a .gguf file needs the package gguf: pip install gguf"
        return loading.lacking()

    def setup(self, threads: int) -> None:
        """Load the model.

        Raises:
            MareyError: it cannot be loaded.
        """
        self._torch = require("torch", "train")
        self._torch.set_num_threads(threads)
        self._words = loading.prepare(loading.part("AutoTokenizer", self._found))
        kinds = ["AutoModelForCausalLM", "AutoModelForSeq2SeqLM"]
        self._model = loading.load(kinds, self._found, self.settings)

    def tell(self, clips: Sequence[Seen]) -> dict[str, Told]:
        """What the model makes of each pair of captions."""
        asked = prompt("merged", self._own.prompt)
        texts = [merging(asked, clip.captions["image"], clip.captions["video"]) for clip in clips]
        if self._words.chat_template:
            talks = [[{"role": "user", "content": text}] for text in texts]
            texts = self._words.apply_chat_template(talks, add_generation_prompt=True, tokenize=False)
        special = not self._words.chat_template  # a template brings its own
        inputs = self._words(texts, return_tensors="pt", padding=True, add_special_tokens=special)
        inputs = {
            name: inputs[name].to(self._model.device) for name in ("input_ids", "attention_mask") if name in inputs
        }
        with self._torch.inference_mode():
            made = self._model.generate(**inputs, max_new_tokens=self._own.tokens, **loading.GREEDY)
        given = None if self._model.config.is_encoder_decoder else inputs["input_ids"]
        said = loading.answers(self._words, given, made)
        return {
            clip.id: merged(text, clip.captions["image"], clip.captions["video"], self._own.checked)
            for clip, text in zip(clips, said, strict=True)
        }


def merged(said: str, image: str, video: str, checked: bool) -> Told:
    """A model's answer, bare, as a caption. Where it is checked and says what its two captions do not, they stand side
    by side in its place, and the reason says why."""
    said = bare(said)
    why = disagreement(said, [image, video]) if checked else ""
    return (
        Told.of(joined(image, video), f"the two captions as they are: of the model's answer, {why}")
        if why
        else Told.of(said)
    )


def bare(said: str) -> str:
    """An answer without what models put around it: a first line that announces it, and quotation marks.

    >>> bare('Here is the merged caption: "A dog barks."')
    'A dog barks.'
    """
    text = _PREAMBLE.sub("", said.strip(), count=1).strip()
    for first, last in _QUOTES:
        if len(text) > 1 and text.startswith(first) and text.endswith(last) and first not in text[1:-1]:
            return text[1:-1].strip()
    return text
