"""Decides where traffic goes; never touches a frame of it."""
