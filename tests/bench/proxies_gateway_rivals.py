"""Other programs that can spread requests over upstream proxies, each set up to retry as well as it can.

They are looked for on PATH and in the folders of `$BENCH_PATH`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers import find
from tests.support.ports import free_port


@dataclass(frozen=True, slots=True)
class Rival:
    """How to run one: the command that listens on a port and uses upstreams, given by their ports."""

    name: str
    there: Callable[[], bool]
    command: Callable[[Path, int, Sequence[int]], list[str]]


def _squid(folder: Path, port: int, upstreams: Sequence[int]) -> list[str]:
    peers = "\n".join(
        f"cache_peer 127.0.0.1 parent {each} 0 no-query no-digest round-robin name=p{each} "
        "connect-timeout=2 connect-fail-limit=2"
        for each in upstreams
    )
    program = Path(str(find("squid"))).resolve()
    share = program.parent.parent / "share/squid"
    shown = f"error_directory {share}/errors/templates\nmime_table {share}/mime.conf\n"
    (folder / "squid.conf").write_text(
        f"http_port 127.0.0.1:{port}\nhttp_access allow all\ncache deny all\nnever_direct allow all\n"
        f"{peers}\nconnect_timeout 2 seconds\nread_timeout 5 seconds\nforward_max_tries 25\n"
        "retry_on_error on\nworkers 1\nshutdown_lifetime 0 seconds\npinger_enable off\n"
        f"access_log none\ncache_log {folder}/cache.log\npid_filename none\nnetdb_filename none\n"
        f"coredump_dir {folder}\nunlinkd_program /bin/cat\nicon_directory {share}/icons\n"
        f"{shown if share.exists() else ''}"
        "cache_effective_user nobody\nlogfile_rotate 0\n"
    )
    folder.chmod(0o777)
    return [str(program), "-N", "-f", str(folder / "squid.conf")]


def _haproxy(folder: Path, port: int, upstreams: Sequence[int]) -> list[str]:
    servers = "\n".join(
        f"  server s{each} 127.0.0.1:{each} observe layer7 error-limit 2 on-error mark-down "
        "check inter 5s"
        for each in upstreams
    )
    (folder / "haproxy.cfg").write_text(
        "global\n  nbthread 1\n  maxconn 4096\n"
        "defaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  timeout server 5s\n"
        "  retries 4\n  retry-on all-retryable-errors\n  option redispatch 1\n"
        "  option http-keep-alive\n  http-reuse always\n"
        f"frontend f\n  bind 127.0.0.1:{port}\n  default_backend b\n"
        f"backend b\n  balance roundrobin\n{servers}\n"
    )
    return [str(find("haproxy")), "-db", "-f", str(folder / "haproxy.cfg")]


def _pproxy(folder: Path, port: int, upstreams: Sequence[int]) -> list[str]:
    del folder
    remotes = [word for each in upstreams for word in ("-r", f"http://127.0.0.1:{each}")]
    begin = "import sys; sys.modules['uvloop'] = None; from pproxy.server import main; main()"
    return [
        *(sys.executable, "-c", begin, "-l", f"http://127.0.0.1:{port}"),
        *(*remotes, "-s", "rr"),
    ]


def _relay(folder: Path, port: int, upstreams: Sequence[int]) -> list[str]:
    del folder
    words = map(str, (port, *upstreams))
    return [sys.executable, "-m", "tests.bench.proxies_gateway_relay", *words]


#: No rival: it retries nothing and reads nothing. It shows what the rate can be at all.
RELAY = Rival("bare relay", lambda: True, _relay)
RIVALS = (
    Rival("squid", lambda: find("squid") is not None, _squid),
    Rival("haproxy", lambda: find("haproxy") is not None, _haproxy),
    Rival("pproxy", lambda: True, _pproxy),
)


def started(
    rival: Rival, folder: Path, upstreams: Sequence[int]
) -> tuple[subprocess.Popen[bytes], int]:
    """Start one in `folder`; return its process and its port."""
    port = free_port()
    with (folder / "out").open("ab") as out:
        command = rival.command(folder, port, upstreams)
        environment = os.environ | {"LD_LIBRARY_PATH": os.environ.get("BENCH_LIBRARIES", "")}
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    return process, port
