"""What a user can type, a module for each kind of command; `cli.py` puts them together."""
