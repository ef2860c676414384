"""The summary as text for a terminal."""

from tests.datasets.description.toy_sets import load_set, rows
from tienet.datasets.description.summary import summarize
from tienet.datasets.description.terminal import text_table


def test_the_table_has_each_thing_once(tmp_path):
    table = text_table(summarize(load_set(tmp_path / "toy"), 5000, 0, progress=False))
    lines = table.splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert cells["studies"] == ["4", "0", "2", "6"] and cells["images"] == ["3", "0", "2", "5"]
    assert cells["Edema"] == ["2", "66.7%", "?", "0", "0.0%", "2", "40.0%", "3", "1"]
    assert cells["Hernia"] == ["?", "?", "?", "?", "0", "6"]
    assert "Labels together, most often: Effusion and Edema 1." in lines
    assert "Studies per patient: 1 to 3, median 1, mean 1.50; 75.0% of the patients have one." in lines
    assert "Images per patient: 0 to 3, median 1, mean 1.25; 50.0% of the patients have one." in lines
    assert "Views: not known (no column view, View Position or ViewPosition)." in lines
    assert "Empty cells: image 1 (16.7%), report 2 (33.3%); none in study_id, patient_id, split." in lines
    assert "4 reports, 3 distinct; 2 studies have none." in lines
    assert "Most frequent report (2 times): Clear lungs." in lines
    assert "5 sizes: width 20 to 25, height 10 pixels." in lines
    assert max(map(len, lines)) <= 120


def test_nothing_that_a_terminal_obeys_is_printed(tmp_path):
    evil = "\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}"
    table = rows().assign(report=f"red {evil} report")
    table.loc[0, "study_id"] = f"s{evil}"
    text = text_table(
        summarize(load_set(tmp_path / "toy", table, view=[evil] * 6, **{evil: ["x"] * 6}), 5000, 0, progress=False)
    )
    assert all(character.isprintable() for line in text.splitlines() for character in line)


def test_broken_headers_are_counted_and_the_first_ones_named(tmp_path):
    manifest = load_set(tmp_path / "toy")
    manifest.images[0].write_bytes(manifest.images[0].read_bytes()[:25])
    text = text_table(summarize(manifest, 5000, 0, progress=False))
    assert "Broken headers: 1 file\n  i0.png: truncated PNG header\n" in text
