"""How each data set becomes a manifest (a package for each), and the description of a manifest (`description`)."""
