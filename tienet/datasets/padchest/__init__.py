"""PadChest: the published table of images, reports and labels."""
