"""A library of an older Marey is brought up to date by the first command that writes, and keeps what is in it."""

import sqlite3
from pathlib import Path

import pytest

from marey.catalog import Library, schema
from marey.errors import MareyError

VOTES_1 = """
drop table votes;
create table votes(
    id integer primary key, study text not null, left_video text not null, right_video text not null,
    question text not null, choice text not null, voter text not null, milliseconds integer, made text not null
);
insert into votes(study, left_video, right_video, question, choice, voter, made)
values ('s', 'a', 'b', 'q', 'tie', 'v', 'now');
pragma user_version = 1;
"""


def columns(folder: Path) -> list[tuple]:
    db = sqlite3.connect(folder / "library.db")
    try:
        return db.execute("select name, type, \"notnull\", dflt_value from pragma_table_info('votes')").fetchall()
    finally:
        db.close()


def test_votes_of_version_1_get_what_a_study_needs(tmp_path):
    with Library.open(tmp_path / "new", create=True):
        pass
    with Library.open(tmp_path / "old", create=True):
        pass
    db = sqlite3.connect(tmp_path / "old" / "library.db")
    db.executescript(VOTES_1)
    db.close()
    with pytest.raises(MareyError, match="brings it up to date"):
        Library.open(tmp_path / "old")
    with Library.open(tmp_path / "old", write=True) as library:
        (row,) = library.rows("select * from votes")
        assert (row["choice"], row["key"], row["prompt"]) == ("tie", None, "")
        vote = {name: row[name] for name in row if name != "id"}
        library.put("votes", [{**vote, "key": "k"}])
        with pytest.raises(sqlite3.IntegrityError):
            library.put("votes", [{**vote, "key": "k"}])
    assert columns(tmp_path / "old") == columns(tmp_path / "new")
    assert max(schema.MIGRATIONS) + 1 == schema.VERSION
