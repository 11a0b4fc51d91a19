"""Where the page is served and where it keeps files: looked at before anything slow begins, and told in words."""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "csp-page-"
"""A process's own folder for uploads and downloads is named by this and its number."""


def check_address(host: str, port: int) -> None:
    """Raise ValueError where a server could not listen at host and port: a port in use, one that does not exist or is
    not permitted, an address that is not this machine's.
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"--port must be in 1..65535, got {port}")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise ValueError(f"--host must be a name or address of this machine, such as 127.0.0.1, got {host!r}") from error
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(where)
        except OSError as error:
            raise ValueError(_in_words(error, host, port)) from error


def _in_words(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use: stop what runs there, or choose another with --port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} may not be used by this user: choose one of 1024 or more with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine: use 127.0.0.1, or 0.0.0.0 for all of its addresses"
    return f"{host}:{port} cannot be listened to ({error.strerror}): choose another --host or --port"


def own_folder() -> Path:
    """A new folder for this process's uploads and downloads, after those of processes that are gone were removed.

    Raises ValueError where no temporary folder can be written.
    """
    try:
        place = Path(tempfile.gettempdir())
        for left in place.glob(f"{PREFIX}*"):
            number = left.name.removeprefix(PREFIX).partition("-")[0]
            if number.isdigit() and not _runs(int(number)):
                shutil.rmtree(left, ignore_errors=True)
        made = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place)
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        return Path(made)
    except OSError as error:
        raise ValueError(f"no temporary folder can be written ({error}): name one in TMPDIR") from error


def remove_own_folder() -> None:
    """Remove this process's folders now, where it will not end as programs do."""
    for own in Path(tempfile.gettempdir()).glob(f"{PREFIX}{os.getpid()}-*"):
        shutil.rmtree(own, ignore_errors=True)


def _runs(process: int) -> bool:
    with suppress(ProcessLookupError):
        try:
            os.kill(process, 0)
        except (PermissionError, OverflowError):
            return True
        return True
    return False
