"""Labels by hand: several readers label the same studies, their agreement is measured, and a further one decides.

`draw` chooses the studies, `journal` keeps every answer, and `desk` is what a reader has open: the two are what the
page of `tienet.server.labelling` asks. `sheet` is the table of one reader's answers, `agreement` compares two of them,
`decided` makes a data set of both and what a third reader decided, and `judge` sets a network beside them.
"""

DEFAULT_STUDIES, DEFAULT_SEED, DEFAULT_SPLIT = 900, 0, "test"
"""What is drawn if nothing else is said; the paper's readers labelled as many studies."""

ALL_SPLITS = "all"
"""Stands for the studies of all splits."""
