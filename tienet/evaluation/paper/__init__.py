"""The paper's two result tables: what it printed, and the same from our runs."""
