"""Joint training of a trainer and its students."""
