"""Leaf: text in, columns out. Opens only what it is handed; imports neither `pipeline` nor `tokenizer`."""
