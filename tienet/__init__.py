"""TieNet (Wang et al., CVPR 2018): chest X-ray labels from image and report, and reports from the image."""

__version__ = "0.1.0"  # the only place of the version; setup.py reads it here
