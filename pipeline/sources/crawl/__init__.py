"""Fetch pages politely, and write them as WARC: what the stage `crawl` does, in a process of its own."""
