"""A page's markup: main text, links, and what it says about being stored."""
