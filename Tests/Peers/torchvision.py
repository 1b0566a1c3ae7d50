"""Stands in for torchvision, which mosaicml-streaming imports for images and text never uses."""

import importlib.machinery
import sys
import types

__path__ = []


class _Absent(types.ModuleType):
    """A module in which every public name is an empty class."""

    def __init__(self, name):
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        self.__path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


for _name in ("datasets", "io", "transforms", "transforms.functional"):
    sys.modules[f"{__name__}.{_name}"] = _Absent(f"{__name__}.{_name}")
