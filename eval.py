#!/usr/bin/env python
"""Evaluate a trained TieNet: python eval.py --load checkpoint --data chestxray14. The same as `tienet evaluate`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python eval.py", "evaluate")
