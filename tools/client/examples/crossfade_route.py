"""The crossfade client library for Python, by ctypes. See docs/clients.md.

A Route serves one thread at a time. The library is found through CROSSFADE_CLIENT, or as
libcrossfade_client.so.1 where the system's loader looks.
"""

import ctypes
import os
from typing import NamedTuple

SQLITE = 1
POSTGRES = 2

_OK = 0
_TIMEOUT = 1


class _Info(ctypes.Structure):
    _fields_ = [
        ("primary", ctypes.c_uint32),
        ("epoch", ctypes.c_uint64),
        ("url", ctypes.c_char * 961),
    ]


class RouteInfo(NamedTuple):
    primary: int
    epoch: int
    url: str


class RouteError(Exception):
    """The route file cannot be read."""


def _load():
    library = ctypes.CDLL(
        os.environ.get("CROSSFADE_CLIENT", "libcrossfade_client.so.1"), use_errno=True
    )
    handle = ctypes.c_void_p
    info = ctypes.POINTER(_Info)
    library.crossfade_route_open.argtypes = [ctypes.c_char_p, ctypes.POINTER(handle)]
    library.crossfade_route_close.argtypes = [handle]
    library.crossfade_route_close.restype = None
    library.crossfade_route_read.argtypes = [handle, info]
    library.crossfade_route_wait.argtypes = [handle, ctypes.c_uint64, ctypes.c_int, info]
    library.crossfade_is_moved_error.argtypes = [ctypes.c_char_p]
    library.crossfade_client_error.argtypes = [ctypes.c_int]
    library.crossfade_client_error.restype = ctypes.c_char_p
    return library


_library = _load()


def is_moved_error(error):
    """Whether a sqlite3 exception says that the data moved to PostgreSQL."""
    return _library.crossfade_is_moved_error(str(error).encode()) != 0


class Route:
    def __init__(self, path):
        self._handle = ctypes.c_void_p()
        self._check(
            _library.crossfade_route_open(os.fsencode(path), ctypes.byref(self._handle))
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        _library.crossfade_route_close(self._handle)
        self._handle = ctypes.c_void_p()

    def read(self):
        info = _Info()
        self._check(_library.crossfade_route_read(self._handle, ctypes.byref(info)))
        return RouteInfo(info.primary, info.epoch, info.url.decode())

    def wait(self, seen_epoch, timeout_ms):
        """The route once its epoch is past seen_epoch, or as it is when the time is over."""
        info = _Info()
        code = _library.crossfade_route_wait(
            self._handle, seen_epoch, timeout_ms, ctypes.byref(info)
        )
        if code != _TIMEOUT:
            self._check(code)
        return RouteInfo(info.primary, info.epoch, info.url.decode())

    @staticmethod
    def _check(code):
        if code != _OK:
            raise RouteError(_library.crossfade_client_error(code).decode())
