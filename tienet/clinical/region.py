"""The region of an attention map in the pixels of the image as it is stored."""

import cv2
import numpy as np

SHARE = 0.5
"""A region is where the map is at least this share of its peak."""

POINTS_PER_CELL = 16

_TOLERANCE = 0.5  # of a point of the upsampled map, by which the outline may be simplified


def outline(a_ws: np.ndarray, height: int, width: int) -> np.ndarray | None:
    """The outline of the region around the map's peak in which the map is at least SHARE of the peak.

    The map is upsampled bilinearly to POINTS_PER_CELL points for each side of a cell. The network sees the whole image,
    each side resized by itself, nothing cut off or turned: so the cells of the map divide the sides of the image
    evenly. Regions that do not hang together with the peak's, corners included, are left out; so are its holes.

    Args:
        a_ws: float [D, D], at least 0.
        height, width: The size of the stored image in pixels.
    Returns:
        float64 [n, 2], n >= 4, x and y of the corners of a closed polygon: the first is the last. The upper left corner
        of the image is (0, 0), and the lower right one (width, height), as DICOM counts. None if the map is 0.
    """
    rows, columns = (POINTS_PER_CELL * side for side in a_ws.shape)
    smooth = cv2.resize(np.asarray(a_ws, np.float64), (columns, rows), interpolation=cv2.INTER_LINEAR)
    if not smooth.max() > 0:
        return None
    inside = (smooth >= SHARE * smooth.max()).astype(np.uint8)
    _, regions = cv2.connectedComponents(inside, connectivity=8)
    region = (regions == regions[np.unravel_index(np.argmax(smooth), smooth.shape)]).astype(np.uint8)
    contours, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corners = cv2.approxPolyDP(max(contours, key=cv2.contourArea), _TOLERANCE, closed=True)[:, 0]
    points = (corners + 0.5) * (width / columns, height / rows)  # a point of the map is in the middle of its square
    return np.concatenate([points, points[:1]])
