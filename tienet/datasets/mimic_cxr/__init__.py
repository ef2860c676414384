"""MIMIC-CXR: its tables, and the sections of its reports."""
