"""Output rules: what operators return on the meta device, where PyTorch is slow to work it out or refuses to.

A rule gives the size, strides and dtype of every output of a call, or ``NotImplemented`` for a call that PyTorch has to
run. A file in this folder registers its rules when it is imported, and the package imports all of its files.
"""

from importlib import import_module
from pkgutil import iter_modules

for _file in iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")
