"""Kernel routes: wanted minus installed, and the netlink that carries the difference."""
