"""Packing: tokens into rows of Megatron binaries, and the index maps of jobs."""
