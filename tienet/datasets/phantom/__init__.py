"""The phantom data set: drawn chests, and reports from the same facts. No medical evidence, for tests and first runs.

facts.py says who has what, drawing.py and lesions.py draw it, reports.py words it.
"""
