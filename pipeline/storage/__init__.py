"""What lies on disk: the work folder, its tables and their schemas, shards of input files, addresses of steps."""
