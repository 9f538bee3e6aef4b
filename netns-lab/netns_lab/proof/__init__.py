"""Resilience proof: every failure of a topology in turn, what it should do and what it did."""
