"""The command `kakehi`, and what it prints."""
