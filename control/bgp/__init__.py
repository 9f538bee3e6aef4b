"""ExaBGP child, its messages, the RIB and best paths."""
