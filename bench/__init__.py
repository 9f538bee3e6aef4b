"""Throughput, latency and failover figures that a sceptic can rerun."""
