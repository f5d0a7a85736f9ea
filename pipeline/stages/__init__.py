"""What happens to documents: a stage a file, a family of stages a folder; `catalogue` lists them."""
