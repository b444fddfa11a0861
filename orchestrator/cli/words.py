"""What can be typed, for the shell's completion: typer takes four times as long to say it.

A test compares it with the commands themselves.
"""

from __future__ import annotations

#: A line is a command, its options but --help, and in brackets what its arguments name. An option that
#: takes a value ends in `=`, behind which may stand what it names.
COMMANDS = """
--home=folder --set= --version --install-completion --show-completion
up --detach -d --timeout= [services]
down --timeout=
stop --timeout= [services]
restart --changed --timeout= [services]
status --json --watch -w [services]
logs --follow -f --lines= -n= [logs]
events --follow -f --lines= -n= --service=services -s=services --json
run [command]
doctor --json
config
config show --origin --json
config check
config init
proxies
proxies refresh --min= --timeout= --if-older-than= --if-below= --wait --no-wait --join --no-join --json
proxies status --json
proxies list --json
proxies add [proxies]
proxies remove [proxies]
proxies export --format=
sites
sites start --all --wait --no-wait [sites]
sites resume --wait --no-wait [sites]
sites stop [sites]
sites status --json [sites]
sites list --json
sites show --json [sites]
sites check [sites]
sites export --format= --job= --output=file -o=file [sites]
sites failures --job= --json [sites]
unit --name= --system --user-unit
demo --remove
"""


class Command:
    """One line of `COMMANDS`."""

    def __init__(self, line: str) -> None:
        words = line.split()
        self.path = [word for word in words if word[0] not in "-["]
        options = [word.partition("=")[0] for word in words if word[0] == "-"]
        self.options = [*options, "--help"]
        #: Option -> what its value names, "" if that is nothing that could be offered.
        self.values = dict(word.split("=") for word in words if word[0] == "-" and "=" in word)
        self.argument = "".join(word.strip("[]") for word in words if word[0] == "[")


def commands() -> dict[tuple[str, ...], Command]:
    """Every command by its words; `()` is what stands before all."""
    made = [Command(line) for line in COMMANDS.strip().splitlines()]
    return {tuple(command.path): command for command in made}
