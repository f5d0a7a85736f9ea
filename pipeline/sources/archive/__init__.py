"""Take from a web archive what a manifest asks for: its index, byte ranges, requests, and WARC files of them."""
