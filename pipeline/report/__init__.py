"""Mergeable counts and one self-contained page."""
