"""Make a virtual environment with Marey in it, and say beforehand what will be downloaded.

    python3 scripts/install.py .venv train features ocr parquet   # the extras that are wanted

'dev' adds the tools of the tests.

torch is the CPU build where an installer offers one: pip where it finds such a wheel, else uv (which knows where they
are), else whatever the registry has. TORCH=cuda asks for the registry's own build.
"""

import os
import platform
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZES = {  # MB of downloads, Linux x86-64, Python 3.11, November 2026
    "core": 130,
    "train": 40,
    "features": 175,
    "meshes": 120,
    "ocr": 100,
    "parquet": 80,
    "serve": 5,
    "shots": 45,
    "dev": 75,
}
TORCH_CPU, TORCH_CUDA = 195, 2990


def main() -> None:
    """Install; nothing is done when what was installed is newer than what asks for it."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older Python shall read why
        sys.exit(
            f"Marey needs Python 3.11 or newer; this is {platform.python_version()}. PYTHON=python3.12 make demo, say."
        )
    folder, extras = Path(sys.argv[1]), sorted(set(sys.argv[2:]))
    stamp = folder / "marey-installed.txt"
    wanted = " ".join([*extras, f"TORCH={os.environ.get('TORCH', '')}"])
    project = ROOT / "pyproject.toml"
    if stamp.is_file() and stamp.stat().st_mtime > project.stat().st_mtime:
        installed = stamp.read_text().split()
        if set(wanted.split()) <= set(installed):
            return
        extras = sorted({*extras, *(word for word in installed if "=" not in word)})
        wanted = " ".join([*extras, f"TORCH={os.environ.get('TORCH', '')}"])

    if not python(folder).is_file():
        print(f"Making a virtual environment in {folder} ...", flush=True)
        venv.create(folder, with_pip=True)
    words = requirements(extras)
    command, torch_mb = installer(folder, not {"train", "shots"}.isdisjoint(extras))
    total = SIZES["core"] + sum(SIZES.get(extra, 0) for extra in extras) + torch_mb
    print(
        f"Installing marey[{','.join(set(extras) - {'dev'})}] into {folder}: about {total} MB of downloads"
        + (f", of which torch is {torch_mb} MB" if torch_mb else "")
        + ". What is already in the installer's cache is not fetched again.",
        flush=True,
    )
    subprocess.run([*command, *words], check=True, cwd=ROOT)
    stamp.write_text(wanted + "\n")


def python(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def requirements(extras: list[str]) -> list[str]:
    """The words for the installer: Marey itself, editable, and the tools of the tests."""
    wanted = [extra for extra in extras if extra != "dev"]
    words = ["-e", f".[{','.join(wanted)}]" if wanted else "."]
    if "dev" in extras:
        words += tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    return words


def installer(folder: Path, with_torch: bool) -> tuple[list[str], int]:
    """The command that installs into `folder`, and the MB of torch that it will fetch."""
    pip = [
        str(python(folder)),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--quiet",
        "--progress-bar",
        "off",
    ]
    if not with_torch:
        return pip, 0
    if os.environ.get("TORCH") == "cuda":
        return pip, TORCH_CUDA if platform.system() == "Linux" else TORCH_CPU
    if platform.system() != "Linux":
        return pip, TORCH_CPU  # the registry's builds for macOS and Windows are CPU builds
    pinned = (ROOT / "constraints" / "cpu.txt").read_text().split()[-1]
    offered = subprocess.run(
        [*pip, "--dry-run", "--no-deps", "--ignore-installed", f"{pinned}+cpu"], capture_output=True, check=False
    )
    if offered.returncode == 0:
        return [*pip, "-c", str(ROOT / "constraints" / "cpu.txt")], TORCH_CPU
    if subprocess.run([*pip, "uv"], check=False).returncode == 0:
        uv = [str(python(folder)), "-m", "uv", "pip", "install", "--python", str(python(folder)), "--quiet"]
        uv.append("--torch-backend=cpu")
        if subprocess.run([*uv, "--dry-run", "torch"], capture_output=True, check=False).returncode == 0:
            return uv, TORCH_CPU
    print(
        "No CPU build of torch is on offer here: the registry's own build is taken, with its CUDA libraries.",
        flush=True,
    )
    return pip, TORCH_CUDA


if __name__ == "__main__":
    main()
