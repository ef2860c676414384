"""OpenI: its XML reports, MeSH terms and image names."""
