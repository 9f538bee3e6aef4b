"""The wire between two ports."""
