"""The console script `tienet`: a file per sub-command, each with `add_arguments(parser)` and `run(args) -> int`."""
