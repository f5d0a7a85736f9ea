"""Leaf: text to token ids and packed binaries. Imports neither `pipeline` nor `filters`."""
