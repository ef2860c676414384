"""How each data set becomes a manifest, a package for each; and what a manifest holds (`description`)."""
