"""Counts in sentences for people."""


def counted(n: int, one: str = "study", several: str = "studies") -> str:
    """A count with its noun, such as "1 study" or "2,814 studies"."""
    return f"{n:,} {one if n == 1 else several}"
