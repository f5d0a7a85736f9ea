"""Shingles, MinHash, exact similarity and the choice of keepers."""
