"""Splits to records: one format a file."""
