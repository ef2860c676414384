"""The paper's two result tables, with the figures that it printed and those of our runs."""
