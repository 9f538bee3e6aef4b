"""Scenarios: faults at set times under traffic, and what is expected of the traffic."""
