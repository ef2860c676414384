"""HTML pages of single studies: the image under its attention map, labels, words."""
