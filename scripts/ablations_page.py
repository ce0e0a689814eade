"""Put the table and the curves of finished or unfinished ablations into docs/ablations.md.

    marey study ablations --recipe tiny --out FOLDER --table
    python scripts/ablations_page.py FOLDER

What stands between the page's two marks is replaced, and the pictures in docs/pictures/.
"""

import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"
PICTURES = {
    "gains.svg": "By how much less held-out loss, with 95 % intervals over seeds and clips",
    "curves-a.svg": "Held-out loss by step: images first, or not",
    "curves-b.svg": "Held-out loss by step: what the clips are",
    "curves-d.svg": "Held-out loss by step: one filter alone",
}


def main(folder: Path) -> None:
    """Write the page."""
    page = DOCS / "ablations.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{page} lacks the lines {BEGIN.strip()} and {END.strip()}")
    shown = []
    for name, says in PICTURES.items():
        if (folder / name).is_file():
            shutil.copyfile(folder / name, DOCS / "pictures" / f"ablations-{name}")
            shown.append(f"![{says}](pictures/ablations-{name})\n")
    table = (folder / "table.md").read_text(encoding="utf-8")
    page.write_text(before + BEGIN + "\n" + table + "\n" + "\n".join(shown) + "\n" + END + after, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
