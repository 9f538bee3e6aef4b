from setuptools import setup

# setuptools reads cffi_modules from here only, not from pyproject.toml.
setup(cffi_modules=["dataplane/native/build.py:ffibuilder"])
