"""What the frozen backbone gives for each image, computed once and kept beside the manifest."""
