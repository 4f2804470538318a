"""For tools that ask for setup.py (Beam's --setup_file). Everything is declared in pyproject.toml."""

from setuptools import setup

setup()
