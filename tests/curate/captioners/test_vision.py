"""Captions by tiny random models of the classes of the real ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_captioners as tiny
import torch
from PIL import Image

from marey.curate.captioner import Seen, Told
from marey.curate.captioners import loading
from marey.curate.captioners.vision import VisionCaptioner
from marey.errors import MareyError
from marey.recipe import Captioner, Captions

MakeSeen = Callable[..., Seen]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("models")
    return {
        "blip": tiny.blip(place / "blip"),
        "git": tiny.git(place / "git"),
        "git video": tiny.git(place / "git video", frames=3),
        "idefics": tiny.idefics(place / "idefics"),
        "pair": tiny.pair(place / "pair"),
        "blip2": tiny.blip2(place / "blip2"),
    }


def captioner(column: str, folder: Path, *, ready: bool = True, **settings: object) -> VisionCaptioner:
    own = Captioner(backend="transformers", model=str(folder), **{"tokens": 12, **settings})
    made = VisionCaptioner(column, Captions(**{column: own}, device="cpu"))  # type: ignore[arg-type]
    if ready:
        made.setup(1)
    return made


@pytest.mark.parametrize("name", ["blip", "git", "idefics", "pair", "blip2"])
def test_an_image_captioner_says_what_its_model_says_of_the_middle_still(
    name: str, folders: dict[str, Path], seen: MakeSeen
) -> None:
    clips = [seen("a", [1, 2, 3]), seen("b", [4, 5, 6]), seen("c", [7, 8, 9])]
    made = captioner("image", folders[name])
    together = made.tell(clips)
    assert set(together) == {"a", "b", "c"}
    assert all(told.status == "ok" and told.text for told in together.values())
    assert made.tell(clips[::-1]) == together  # by id, whatever the order
    assert {clip.id: made.tell([clip])[clip.id] for clip in clips} == together  # and whatever stands beside it
    assert made.tell([seen("a2", [0, 2, 0])])["a2"] == together["a"]  # of the middle still alone
    assert captioner("image", folders[name]).tell(clips) == together


def test_blip_says_what_transformers_says(folders: dict[str, Path], seen: MakeSeen) -> None:
    from transformers import BlipForConditionalGeneration, BlipProcessor

    clip = seen("a", [1, 2, 3])
    processor = BlipProcessor.from_pretrained(folders["blip"])
    model = BlipForConditionalGeneration.from_pretrained(folders["blip"])
    inputs = processor(images=Image.fromarray(clip.middle), return_tensors="pt")
    with torch.no_grad():
        ids = model.generate(**inputs, max_new_tokens=12, do_sample=False, num_beams=1)
    wanted = processor.batch_decode(ids, skip_special_tokens=True)[0]
    assert captioner("image", folders["blip"]).tell([clip])["a"] == Told.of(wanted)


def test_a_prompt_begins_a_plain_captioners_sentence(folders: dict[str, Path], seen: MakeSeen) -> None:
    for name in ("blip", "git", "pair"):
        told = captioner("image", folders[name], prompt="a red car").tell([seen("a", [1, 2, 3])])["a"]
        assert told.text.startswith("a red car"), name
        assert len(told.text) > len("a red car"), name


def test_a_video_captioner_sees_frames_in_order(folders: dict[str, Path], seen: MakeSeen) -> None:
    """The model's answer changes with each frame, and with their order."""
    for name, frames in (("git video", 8), ("idefics", 3)):
        made = captioner("video", folders[name], frames=frames)
        pixels: list[np.ndarray] = []
        generate = made._model.generate

        def spied(generate=generate, pixels=pixels, **inputs):  # type: ignore[no-untyped-def]
            pixels.append(inputs["pixel_values"].numpy())
            return generate(**inputs)

        made._model.generate = spied
        one, turned = made.tell([seen("a", [1, 2, 3])]), made.tell([seen("b", [3, 2, 1])])
        assert one["a"].status == turned["b"].status == "ok"
        assert pixels[0].shape[:2] == (1, 3)
        assert np.array_equal(pixels[0][:, ::-1], pixels[1])
        assert not np.array_equal(pixels[0], pixels[1])


def test_a_git_that_was_trained_on_frames_gets_so_many(folders: dict[str, Path], seen: MakeSeen) -> None:
    made = captioner("video", folders["git video"], frames=8)
    clips = [seen("a", [1, 2, 3]), seen("b", [4, 5, 6, 7, 8])]
    together = made.tell(clips)
    assert {clip.id: made.tell([clip])[clip.id] for clip in clips} == together
    pixels = made._repeated(torch.arange(3.0)[:, None, None, None], [2, 1])
    assert pixels[..., 0, 0, 0].tolist() == [[0, 1, 1], [2, 2, 2]]  # the last one again where there are too few


def test_a_video_model_gets_a_video_where_its_processor_knows_videos(folders: dict[str, Path], seen: MakeSeen) -> None:
    made = captioner("video", folders["idefics"], frames=3)
    asked = {}

    class Processor:
        video_processor = object()

        def apply_chat_template(self, talks: list, **options: object) -> list[str]:
            asked["talks"] = talks
            return ["<image> look"] * len(talks)

        def __call__(self, text: list[str], videos: list[np.ndarray], **options: object) -> object:
            asked["shapes"], asked["options"] = [video.shape for video in videos], options
            return made_processor(text=text, images=[[Image.fromarray(video[0])] for video in videos], padding=True,
                                  return_tensors="pt")  # fmt: skip

    made_processor, made._processor = made._processor, Processor()
    assert made.tell([seen("a", [1, 2, 3])])["a"].status == "ok"
    assert asked["shapes"] == [(3, 48, 64, 3)]
    assert asked["options"]["do_sample_frames"] is False
    (when,) = asked["options"]["video_metadata"]
    assert (when["fps"], list(when["frames_indices"])) == (2.0, [0, 1, 2])
    (talk,) = asked["talks"]
    assert [part["type"] for part in talk[0]["content"]] == ["video", "text"]


def test_one_clip_without_frames_costs_itself_alone(folders: dict[str, Path], seen: MakeSeen) -> None:
    good, bad = seen("good", [1, 2, 3]), seen("bad", [1])
    bad._stills = []  # and its file is gone
    told = captioner("video", folders["idefics"], frames=3).tell([bad, good])
    assert told["good"].status == "ok"
    assert told["bad"].status == "failed"
    assert "gone.mp4" in told["bad"].reason


def test_the_version_knows_the_weights_the_prompt_and_what_is_shown(folders: dict[str, Path], tmp_path: Path) -> None:
    def version(column: str = "video", folder: str = "idefics", **settings: object) -> str:
        return captioner(column, folders[folder], ready=False, **settings).version

    known = {
        version(), version(prompt="What moves?"), version(frames=4), version(size=224), version(tokens=5),
        version(folder="git video"), version("image"),
    }  # fmt: skip
    assert len(known) == 7
    assert version() == version(batch=9)
    assert version("image", frames=4) == version("image")
    assert version().startswith("transformers@")


def test_what_a_model_cannot_do_is_told(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="looks at one picture and follows no prompt"):
        captioner("video", folders["blip"])
    with pytest.raises(MareyError, match="trained on 3 frames of a video"):
        captioner("image", folders["git video"])
    with pytest.raises(
        MareyError, match="is a llama, which is none that transformers loads as AutoModelForImageTextToText"
    ):
        captioner("image", tiny.causal(tmp_path / "causal"))
    with pytest.raises(MareyError, match="There is no model 'nowhere'"):
        captioner("image", Path("nowhere"))
    with pytest.raises(MareyError, match=r"curate\.captions\.device is 'cuda:77'"):
        loading.load(
            ["AutoModelForImageTextToText"],
            captioner("image", folders["blip"], ready=False)._found,
            Captions(device="cuda:77"),
        )


def test_a_folders_own_code_is_not_run(folders: dict[str, Path], tmp_path: Path) -> None:
    import json
    import shutil

    place = Path(shutil.copytree(folders["blip"], tmp_path / "evil"))
    config = json.loads((place / "config.json").read_text())
    config |= {"model_type": "its own", "auto_map": {"AutoConfig": "evil.Config"}}
    (place / "config.json").write_text(json.dumps(config))
    (place / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: ...\n")
    with pytest.raises(MareyError, match="cannot be loaded"):
        captioner("image", place)
    assert not (tmp_path / "ran").exists()
