"""What TieNet costs in seconds, operations and memory; `python -m benchmarks.run` measures it (see README.md here)."""
