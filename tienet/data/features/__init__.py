"""The outputs of the frozen backbone for each image, which are computed once and kept beside the manifest."""
