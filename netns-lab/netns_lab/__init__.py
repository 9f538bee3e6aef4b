"""Topology to namespaces, the controller process and the command line."""
