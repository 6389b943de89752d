"""Settlement: who owes whom what, computed from terms, stated inputs and usage records. Pure: it never moves money."""
