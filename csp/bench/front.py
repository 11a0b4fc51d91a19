"""Several pages behind one address: `app.py` several times behind nginx, as docs/hosting.md has it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from csp.bench.running import Running, running
from csp.bench.start import APP, free_port, wait

HOSTING = APP.parent / "docs" / "hosting.md"
_BLOCK = re.compile(r"```nginx\n(map .*?)```", re.DOTALL)
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Several:
    """Pages that answer at ``url`` together."""

    url: str
    pages: tuple[Running, ...]

    def cpu(self) -> float | None:
        """Processor seconds of all of them; None where the system does not tell."""
        return _sum([page.cpu() for page in self.pages])

    def resident(self) -> int | None:
        """Bytes of all of them in memory; None where the system does not tell."""
        found = _sum([page.resident() for page in self.pages])
        return None if found is None else int(found)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def configuration(listen: int, ports: Sequence[int]) -> str:
    """The document's own block, for these ports. Raises ValueError where the document has none."""
    found = _BLOCK.search(HOSTING.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{HOSTING} has no block of nginx that begins with map")
    servers = "".join(f"    server 127.0.0.1:{port};\n" for port in ports)
    text, pools = re.subn(r"(?: +server [\d.:]+;\n)+", servers, found.group(1))
    text, places = re.subn(r"listen \d+;", f"listen 127.0.0.1:{listen};", text)
    if (pools, places) != (1, 1):
        raise ValueError(f"{HOSTING}: the block of nginx needs one list of servers and one listen, got {pools} and {places}")
    return text


def whole(folder: Path, block: str) -> str:
    """A configuration of nginx around that block which writes into ``folder`` alone."""
    places = "".join(f"  {name}_temp_path {folder}/{name};\n" for name in _TEMPORARY)
    head = f"daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
    return f"{head}http {{\n  access_log off;\n{places}{block}}}\n"


@contextmanager
def several(count: int) -> Iterator[Several]:
    """``count`` pages behind nginx on a free port, the processors shared out among them.

    Raises ValueError where nginx is not installed, or does not begin.
    """
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if nginx is None:
        raise ValueError("nginx is not installed, which shares visitors out among pages: apt-get install nginx-light")
    threads = max(1, (os.cpu_count() or 1) // count)
    with ExitStack() as stack:
        pages = tuple(stack.enter_context(running(["--proxy", "--threads", str(threads)])) for _ in range(count))
        folder, listen = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="csp-front-"))), free_port()
        # Started by root, nginx works as another user, who must get at what it writes there.
        folder.chmod(0o711)
        ports = [int(page.url.rpartition(":")[2]) for page in pages]
        (folder / "nginx.conf").write_text(whole(folder, configuration(listen, ports)), encoding="utf-8")
        front = subprocess.Popen([nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")])
        try:
            url = f"http://127.0.0.1:{listen}"
            wait(url + "/robots.txt", front)
            yield Several(url, pages)
        finally:
            front.terminate()
            front.wait()
