"""HTML pages of single studies, with the image under its attention map, the labels and the words."""
