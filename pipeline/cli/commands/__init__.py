"""What each command does, one a file; `catalogue` says how it is called."""
