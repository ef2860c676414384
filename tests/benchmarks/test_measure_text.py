"""The cases of an evaluation and of the vocabulary count what they do."""

import pytest

from benchmarks import measure_text


def test_evaluation_counts_whole_numbers():
    found = measure_text.evaluation(studies=200, patients=50, resamples=3)
    assert 3 * (50 + 200 + 15 * 200) < found.operations < 3 * (50 + 200 + 15 * 200 * 4)


def test_vocabulary_reads_the_text_and_a_failure_is_told(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the heart is normal . the lungs are clear .\n" * 30)
    found = measure_text.vocabulary(str(text), dim=5, epochs=1)
    assert found.more["running_words"] == 2 * 30 * 10  # the text, and its lines as reports
    assert found.peak_bytes > 1e7
    (tmp_path / "other.txt").write_text("each word once only\n")
    with pytest.raises(RuntimeError, match=r"build_vocab"):
        measure_text.vocabulary(str(tmp_path / "other.txt"), dim=5, epochs=1)
