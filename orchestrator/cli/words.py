"""What can be typed, for the shell's completion: typer takes four times as long to say it.

A test compares it with the commands themselves.
"""

from __future__ import annotations

#: A line is a command, its options but --help, and in brackets what its arguments name: all of them, or
#: with commas the first, the second and so on. An option that takes a value ends in `=`, behind which may
#: stand what it names.
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
proxies refresh --min= --want= --timeout= --if-older-than= --if-below= --wait --no-wait --join --no-join \
--up --log=file --json
proxies sources --read --json
proxies status --json
proxies list --site=sites --json
proxies check --json [proxies]
proxies add [proxies]
proxies remove [proxies]
proxies export --format= --json
proxies serve --listen=
proxies judge --port= --host= --https-port= --cert=file --key=file --json
sites
sites start --all --local --changed-only --wait --no-wait [sites]
sites resume --local --wait --no-wait [sites]
sites stop [sites]
sites status --json --watch [sites]
sites list --json
sites gate --json --watch -w --for= --reason= --simulate= --workers= --latency= --limited-every= \
--failed-every= [sites,gate_verbs,]
sites show --json [sites]
sites check --url= --file=file --json [sites]
sites new --name= --file=file [url]
sites export --changed --since= --safe-csv --format=exports --job= --output=file -o=file [sites]
sites failures --job= --class= --json [sites]
sites retry-failed --class= --dry-run --local --wait --no-wait --json [sites]
sites prune --older-than= --keep= --dry-run --json [sites]
queue
queue enqueue --key= --host= --priority= --delay= --on-conflict=conflicts --queue=file [job]
queue import --strict --key= --host-from-url --on-conflict=conflicts --json --queue=file [file]
queue run --pipeline=pipelines --exec=command --drain --wait-delayed --no-wait-delayed \
--workers= --max-per-resolver= --max-per-host= --grace= --queue=file
queue stats --json --watch -w --queue=file
queue list --state=states --key= --limit= --after= --json --queue=file
queue show --json --queue=file [job]
queue export --state=states --key= --output=file -o=file --queue=file
queue retry-failed --key= --error-like= --limit= --dry-run --json --queue=file [job]
queue cancel --queue=file [job]
queue prune --older-than= --state=ended --queue=file [job]
queue release --worker= --dry-run --force --json --queue=file [job]
queue limits --max-per-resolver= --max-per-host= --json --queue=file
cron
cron show --json
cron install --every= --schedule=
cron remove
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
