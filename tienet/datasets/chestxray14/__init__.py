"""ChestX-ray14: its tables, its official split and the counts of its labels."""
