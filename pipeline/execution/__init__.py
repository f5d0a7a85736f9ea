"""Runs: a plan's steps done shard by shard, with what was done, what failed and what it takes."""
