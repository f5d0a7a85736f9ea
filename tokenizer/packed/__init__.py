"""Megatron `.bin/.idx`, byte by byte, with provenance."""
