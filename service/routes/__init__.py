"""One module per kind of question; each hands out a router."""
