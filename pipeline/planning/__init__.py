"""What a run would do, and why: steps against what lies on disk, and what training on the result will cost."""
