"""Reacts to loss: link events and nexthop groups."""
