"""A text as numbers: hashed words, dense features, fingerprints, embedders."""
