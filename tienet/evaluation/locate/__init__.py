"""The maps of runs, judged by the boxes of findings."""
