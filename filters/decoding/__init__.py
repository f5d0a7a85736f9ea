"""Bytes to characters: which charset, decoded without failing, and whether it can be Japanese at all."""
