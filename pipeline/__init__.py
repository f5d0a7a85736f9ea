"""Walks: manifests, plans, receipts, engines, stages. The only part that opens files by itself."""
