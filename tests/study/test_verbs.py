"""`marey study` from end to end on videos that are there: plan, rehearse, rate, apply, page, import."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from marey.catalog import Library
from marey.cli import app
from marey.errors import MareyError
from marey.study.design import REHEARSAL, read
from marey.study.rating import rate
from marey.study.votes import told

from .made_study import make_videos


def marey(*words: object) -> str:
    ended = CliRunner().invoke(app, [str(word) for word in words])
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_the_whole_way(tmp_path: Path):
    videos, library = make_videos(tmp_path / "videos", 3), tmp_path / "library"
    planned = json.loads(marey("study", "plan", library, "--videos", videos, "--name", "looks", "--json"))
    assert len(planned["arms"]) == 4
    rehearsed = json.loads(marey("study", "vote", library, "--name", "looks", "--rehearse", 300, "--json"))
    assert rehearsed["rehearsal"]["votes"] == 300
    page = tmp_path / "vote.html"
    marey("study", "vote", library, "--name", "looks", "--page", page, "--votes", 10)
    assert page.stat().st_size > 10_000
    text = marey("study", "rate", library, "--name", "looks", "--rehearsal")
    assert "Every shuffle holds the same" in text
    ratings = json.loads(marey("study", "rate", library, "--name", "looks", "--rehearsal", "--json"))
    assert [one["question"] for one in ratings] == ["quality", "prompt", "both"]
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[select]\nname = 'mine'\n")
    marey(
        "study", "apply", library, "--name", "looks", "--recipe", recipe, "--rehearsal", "--out", tmp_path / "new.toml"
    )
    assert recipe.read_text() == "[select]\nname = 'mine'\n"
    with pytest.raises(MareyError, match="comes with Marey"):
        marey("study", "apply", library, "--name", "looks", "--recipe", "tiny", "--rehearsal", "--write")
    with pytest.raises(MareyError, match="quality, prompt, both would do"):
        marey("study", "apply", library, "--name", "looks", "--recipe", recipe, "--rehearsal", "--question", "taste")


def test_a_rehearsal_finds_what_its_voters_like_and_no_person_is_rated_by_it(library: Path):
    from marey.study.rehearse import rehearse

    with Library.open(library, write=True) as store:
        design = read(store, "looks")
        rehearsed = rehearse(store, design, 600, seed=4)
        assert not any(len(one) for one in told(store, design).questions.values())
        votes = told(store, design, rehearsal=True)
        assert votes.checks[0] == votes.checks[1] > 20
        before = store.rows("select key from votes order by key")
        assert {row["study"] for row in store.rows("select study from votes")} == {"looks" + REHEARSAL}
        rehearse(store, design, 600, seed=4)
        assert store.rows("select key from votes order by key") == before, "the same seed, the same votes"
    quality = rate(votes.questions, resamples=200, shuffles=20)[0]
    truth = {name.removeprefix("quality: "): value for name, value in rehearsed.strengths.items() if "quality" in name}
    assert quality.arms[0].arm == max(truth, key=lambda arm: truth[arm])


def test_without_votes_or_a_study_there_is_a_sentence(library: Path, tmp_path: Path):
    with pytest.raises(MareyError, match="no votes"):
        marey("study", "rate", library, "--name", "looks")
    with pytest.raises(MareyError, match="one of looks"):
        marey("study", "vote", library, "--name", "other", "--rehearse", 10)
    with pytest.raises(MareyError, match="no library"):
        marey("study", "rate", tmp_path / "nowhere")
