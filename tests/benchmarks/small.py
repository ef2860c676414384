"""A small network, and the figures of a case that was not measured."""

SMALL = {
    "transition_channels": 8, "attention_units": 5, "lstm_units": 7, "attention_rows": 3, "attention_hidden": 11,
}  # fmt: skip


def measured(seconds=2.0, peak=3e9, operations=8e9, rate=16e9, **more):
    return {
        "seconds": seconds, "peak_bytes": peak, "operations": operations, "product_rate": rate, "more": more,
    }  # fmt: skip
