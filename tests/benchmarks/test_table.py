"""The table, with the figures that need two cases."""

from benchmarks import table


def test_the_table_says_what_two_cases_say_together(filled):
    text = table.table(filled)
    assert "20 times as fast as the step of report" in text
    assert "1.00 times greedy" in text
    assert "900 MB/s; 300 MB/s from the disk" in text
    assert "growth/" not in text
    assert "T=16,B=32" in table.growth_table(filled)
