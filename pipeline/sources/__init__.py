"""Where documents come from: archives, crawls and files of many formats."""
