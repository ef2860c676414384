"""The journal of `tienet report`: only a whole line of the same identity, whose file is in place, is a result."""

from dataclasses import replace

import pytest

from tienet.commands.report_journal import Journal, Key, Record

KEY = Key("in/a.png", "0" * 64, "a", "study-a.html")
RECORD = Record(KEY, "study-a.html", 3, "{}", None)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study-a.html").write_text("abc")
    return tmp_path


def written(folder, *records) -> Journal:
    journal = Journal(folder, {"run": 1})
    for record in records:
        journal.add(record)
    journal.close()
    return Journal(folder, {"run": 1})


def test_a_result_is_found_again(folder):
    assert written(folder, RECORD).find(KEY) == RECORD


def test_only_of_the_same_image_name_and_place(folder):
    journal = written(folder, RECORD)
    for field in Key._fields:
        assert journal.find(KEY._replace(**{field: "1"})) is None
    unread = KEY._replace(sha256="")
    assert written(folder, replace(RECORD, key=unread)).find(unread) is None


def test_only_where_its_file_is_and_is_its_own(folder):
    other = replace(RECORD, key=KEY._replace(image="in/b.png", sha256="1" * 64))
    assert written(folder, RECORD, other).find(KEY) is None
    (folder / "study-a.html").write_text("abcd")
    assert written(folder, RECORD).find(KEY) is None
    (folder / "study-a.html").unlink()
    assert written(folder, RECORD).find(KEY) is None


def test_every_cut_of_the_file_is_a_journal(folder):
    journal = written(folder, RECORD, replace(RECORD, key=KEY._replace(place="study-b.html")))
    whole = journal.path.read_bytes()
    starts = [n + 1 for n, byte in enumerate(whole) if byte == ord("\n")]
    for end in range(len(whole)):
        journal.path.write_bytes(whole[:end])
        cut = Journal(folder, {"run": 1})
        assert (cut.find(KEY) is not None) == (end >= starts[1]) and not cut.is_of_others
        if end % 50 == 0:
            assert written(folder, RECORD).find(KEY) == RECORD


def test_nothing_is_written_before_the_first_result(folder):
    written(folder, RECORD)
    other = Journal(folder, {"run": 2})
    assert other.is_of_others and other.find(KEY) is None
    other.close()
    assert Journal(folder, {"run": 1}).find(KEY) == RECORD
    other.add(RECORD)
    other.close()
    assert Journal(folder, {"run": 1}).find(KEY) is None and Journal(folder, {"run": 2}).find(KEY) == RECORD


def test_what_is_forgotten_at_the_end(folder):
    second = replace(RECORD, key=KEY._replace(image="in/b.png"))
    journal = written(folder, RECORD, second)
    journal.keep([second])
    again = Journal(folder, {"run": 1})
    assert again.find(KEY) is None and again.find(second.key) == second
