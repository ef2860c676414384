"""A data set from a user's own folder of images, reports and tables."""
