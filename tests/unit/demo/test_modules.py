"""The fixed list of modules: all exist, and importing them does nothing that anybody would see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchestrator.demo.modules import MODULES

#: Imports the modules named on the command line; says what opened, started, printed or is missing.
WATCH = """
import importlib, io, os, sys, threading
seen = []
WATCHED = ("os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename", "os.spawn", "os.system",
           "socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "webbrowser.open")
def hook(event, arguments):
    if event in WATCHED or event == "open" and "w" in str(arguments[1]):
        seen.append(f"{event} {arguments}")
sys.addaudithook(hook)
sys.stdout = sys.stderr = io.StringIO()
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        seen.append(str(error))
if sys.stdout.getvalue():
    seen.append("printed " + sys.stdout.getvalue())
if threading.active_count() > 1:
    seen.append("started a thread")
sys.__stdout__.write("\\n".join(seen))
"""


def watch(*modules: str) -> str:
    command = [sys.executable, "-I", "-B", "-c", WATCH, *modules]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=True).stdout


def test_there_are_two_hundred_and_each_once() -> None:
    assert len(MODULES) == len(set(MODULES)) == 200


def test_all_are_of_the_standard_library() -> None:
    assert {name.partition(".")[0] for name in MODULES} <= sys.stdlib_module_names


def test_importing_them_opens_starts_and_prints_nothing() -> None:
    assert watch(*MODULES) == ""


def test_the_watch_would_notice_one_that_prints(tmp_path: Path) -> None:
    assert "printed The Zen of Python" in watch("this")


def test_those_that_show_whoever_runs_them_are_left_out() -> None:
    acting = {"antigravity", "this", "os", "posix", "sys", "site", "sysconfig", "getpass.os"}
    assert not acting & set(MODULES)
    assert not [name for name in MODULES if name.startswith(("idlelib", "turtle", "tkinter"))]
