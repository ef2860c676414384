#!/usr/bin/env python
"""Train TieNet: python train.py --gpu 0,1,2,3 --mode annotate. The same as `tienet train`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python train.py", "train")
