"""Questions about a run that is done: the way of a document, of a token, what other rules would keep."""
