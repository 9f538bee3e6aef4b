"""Faults and the outage stopwatch."""
