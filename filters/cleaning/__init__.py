"""Bytes of a page to normalised text."""
