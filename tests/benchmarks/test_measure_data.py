"""The cases of the feature cache and of the batches report their rates."""

import pytest

from benchmarks import measure_data


def test_cache_and_data_flow_report_their_rates():
    written, read = measure_data.cache_write(20), measure_data.cache_read(20)
    assert written.more["mb"] == read.more["mb"] == pytest.approx(20 * 16 * 16 * 1024 * 2 / 1e6, abs=0.1)
    assert written.more["mb_s"] == pytest.approx(written.more["mb"] / written.seconds, rel=0.05)
    flow = measure_data.data_flow(rows=40, words=5)
    assert flow.seconds > 0
    assert flow.more["from_disk_s"] > 0


def test_reading_images_reports_how_many_times_as_fast_it_is_as_one_after_the_other():
    found = measure_data.image_read(images=4, px=64, rounds=1)
    assert found.seconds > 0 and found.more["ratio"] > 0 and found.more["images_s"] > 0
