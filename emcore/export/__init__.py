"""Values in, files out: `pictures` (the only importer of matplotlib) and `tables`."""
