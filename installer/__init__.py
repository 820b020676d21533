"""Installs the project into its own directory. Until the virtual environment exists: standard library only.

`encoder_manager_setup` finds Python and calls `python -m installer`. `environment.py` makes the virtual
environment; `configure.py` runs inside it, because reading YAML needs a package; `answers.py` is the pure part.
"""
