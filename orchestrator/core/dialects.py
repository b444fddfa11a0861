"""What other supervisors call what is called otherwise in `[service.NAME]`."""

from __future__ import annotations

_SUPERVISORD = {
    "autostart": "auto",
    "autorestart": "restart",
    "environment": "env",
    "directory": "cwd",
    "stopsignal": "stop_signal",
    "stopwaitsecs": "grace",
    "startretries": "restart_limit",
    "startsecs": "ready",
    "priority": "needs",
    "stdout_logfile_maxbytes": "log_size",
    "stdout_logfile_backups": "log_keep",
}
_SYSTEMD = {
    "ExecStart": "command",
    "WorkingDirectory": "cwd",
    "KillSignal": "stop_signal",
    "TimeoutStartSec": "start_timeout",
    "TimeoutStopSec": "grace",
    "StartLimitBurst": "restart_limit",
    "StartLimitIntervalSec": "restart_window",
    "MemoryMax": "memory_limit",
    "WatchdogSec": "alive",
    "Requires": "needs",
    "Wants": "needs",
    "After": "needs",
}
_CIRCUS = {
    "cmd": "command",
    "working_dir": "cwd",
    "graceful_timeout": "grace",
    "max_retry": "restart_limit",
    "max_retry_in": "restart_window",
}
_COMPOSE = {
    "entrypoint": "command",
    "depends_on": "needs",
    "healthcheck": "alive",
    "mem_limit": "memory_limit",
    "stop_grace_period": "grace",
}
_TOGETHER = _SUPERVISORD | _SYSTEMD | _CIRCUS | _COMPOSE

#: What has no word here, and what to do instead.
_NONE = {
    "numprocs": "write one table for each",
    "numprocesses": "write one table for each",
    "args": "write them into command",
    "user": "every service runs as whoever runs orch",
    "stdout_logfile": "its output is in data/logs, also that for errors",
    "redirect_stderr": "its output is in data/logs, also that for errors",
}


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


_OURS = {_plain(word): ours for word, ours in _TOGETHER.items()}
_INSTEAD = {_plain(word): text for word, text in _NONE.items()}


def translated(word: str) -> str:
    """What another supervisor's `word` is called here, or ""; in whatever spelling.

    >>> translated("autostart"), translated("TimeoutStopSec"), translated("nonsense")
    ('auto', 'grace', '')
    """
    return _OURS.get(_plain(word), "")


def instead(word: str) -> str:
    """What to do when there is no such word here, or "".

    >>> instead("numprocs")
    'write one table for each'
    """
    return _INSTEAD.get(_plain(word), "")
