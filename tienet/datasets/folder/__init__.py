"""A folder of images with reports of one's own."""
