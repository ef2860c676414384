"""One scale of probability for all that people look at: pages, figures, and the page of the server (static/text.js).

The scale is that of the log-odds, from 0.01% to 99.99%. Findings are rare: on a scale of the probabilities themselves
most bars and thresholds would lie within a hair of its beginning. Figures are per cent.
"""

import math

LEAST, MOST = 0.0001, 0.9999
"""The ends of the scale."""

AXIS: tuple[float, ...] = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
"""The probabilities that an axis has marks at."""

SCALE_TEXT = "The scale is that of the odds: it is stretched at both ends."
"""What a reader must know of a bar's length."""


def place(probability: float) -> float:
    """The place of a probability on the scale, 0 to 1; beyond its ends it is at the end."""
    limit = math.log(MOST / LEAST)
    if not LEAST < probability < MOST:
        return float(probability >= MOST)
    return (math.log(probability / (1 - probability)) + limit) / (2 * limit)


def percent(probability: float) -> str:
    """A share in per cent, with two significant digits of its distance to 0% or 100%; "-" for NaN."""
    if math.isnan(probability):
        return "-"
    probability = float(str(probability))  # of a float32 its digits
    rest = 100 * min(probability, 1 - probability)
    digits = next((n for n, least in enumerate((9.95, 0.995, 0.0995)) if rest >= least), 3)
    text = f"{100 * probability:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"
