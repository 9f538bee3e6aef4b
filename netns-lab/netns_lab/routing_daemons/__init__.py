"""BIRD and FRR as the routing daemons of nodes, instead of ExaBGP and quadlink's own decisions."""
