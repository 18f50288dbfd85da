"""perpmaker's container image, assembled from this machine's Python and the locked wheels: no engine, no registry."""
