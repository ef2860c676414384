"""The data set OpenI: its XML reports, its MeSH terms and the names of its images."""
