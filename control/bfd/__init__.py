"""Bidirectional Forwarding Detection (RFC 5880, 5881): is the path to a neighbor alive?"""
