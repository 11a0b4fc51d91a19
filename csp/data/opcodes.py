"""Which pickle opcodes a list of dicts needs. A file with any other is refused before it is unpickled.

Python's own unpickler is quick and builds what it is told; a look at the opcodes first bounds what that can be.
"""

from __future__ import annotations

import pickletools

_NAMES = {op.code: op for op in pickletools.opcodes}
# Bytes of an opcode with its argument, where those are fixed.
_FIXED = {
    **dict.fromkeys("(.012Nade])}lstu\x85\x86\x87\x88\x89", 1),
    **dict.fromkeys("Khq\x80", 2),
    "M": 3,
    **dict.fromkeys("Jjr", 5),
    "G": 9,
}
_LINES = "FILSVgp"
_COUNTED = {"U": 1, "T": 4, "X": 4, "\x8a": 1}
_LEAST_MEMO = 4096


class Forbidden(Exception):
    """What a pickle holds that is not data."""


def scan(data: bytes) -> None:
    """Raises Forbidden naming the first opcode that builds more than plain data; ValueError for a cut pickle."""
    sizes = [0] * 256
    for code, size in _FIXED.items():
        sizes[ord(code)] = size
    lines, counted = set(map(ord, _LINES)), {ord(code): width for code, width in _COUNTED.items()}
    at, end = 0, len(data)
    while at < end:
        op = data[at]
        if op == 0x2E:
            return
        size = sizes[op]
        if size:
            if op == 0x80 and data[at + 1 : at + 2] != b"\x02":
                raise Forbidden(f"pickle protocol {int.from_bytes(data[at + 1 : at + 2])}")
            if op == 0x72:
                _memo(int.from_bytes(data[at + 1 : at + 5], "little"), at)
            at += size
        elif op in counted:
            width = counted[op]
            at += 1 + width + int.from_bytes(data[at + 1 : at + 1 + width], "little")
        elif op in lines:
            newline = data.find(b"\n", at)
            if newline < 0:
                break
            if op == 0x70:
                _memo(int(data[at + 1 : newline]), at)
            at = newline + 1
        else:
            known = _NAMES.get(chr(op))
            raise Forbidden(f"the pickle opcode {known.name if known else hex(op)} at byte {at}")
    raise ValueError("it ends before its end mark")


def _memo(index: int, at: int) -> None:
    # A memo is an array: an index beyond all that can have been stored asks for memory and nothing else.
    if not 0 <= index <= at + _LEAST_MEMO:
        raise Forbidden(f"the memo index {index} at byte {at}")
