"""The C11 core and its cffi build script."""
