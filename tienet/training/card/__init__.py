"""RUN/README.md: what a run is, in words and figures, and the curves of its training."""
