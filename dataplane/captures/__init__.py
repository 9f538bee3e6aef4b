"""Captures: frames of a link as they pass, from the engine's threads to whoever asked for them."""
