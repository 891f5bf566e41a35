"""What each operator costs: formulas for those that compute, a list of those that are free, nothing in between.

A file in this folder registers its formulas when it is imported. The package imports all of its files, so that a new
file of formulas need not be named anywhere.
"""

from importlib import import_module
from pkgutil import iter_modules

for _file in iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")
