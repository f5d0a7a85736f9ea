"""One spelling for each character: rules, and the kernel that applies them."""
