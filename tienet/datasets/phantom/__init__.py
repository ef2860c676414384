"""The phantom data set: drawings of chests, and reports that are made from the same facts.

It is for tests and first runs and is no medical evidence. facts.py decides which findings each study has, anatomy.py,
drawing.py and lesions.py draw the images, and reports.py writes the reports.
"""
