"""Works off the jobs of a home, shard after shard, until none is active: a child to be killed.

`python -m tests.support.shard_process HOME`
"""

from __future__ import annotations

import sys

from orchestrator.core.clock import SYSTEM
from orchestrator.core.context import Context
from orchestrator.nodes.registry import Node, Nodes
from sites.move import JobRef
from sites.record import Records
from sites.shard import run_shard
from sites.topup import TopUp


def main() -> None:
    context = Context.load(sys.argv[1])
    sent: list[tuple[JobRef, str]] = []
    topup = TopUp(context, lambda site, job, holder: sent.append((JobRef(site, job), holder)))
    records = Records(context.redis, context.keys)
    while records.active():
        Nodes(context.redis, context.keys).renew(Node("test", 4, 0))
        topup.run()
        if sent:
            ref, reservation = sent.pop(0)
            run_shard(context, ref, reservation, topup)
        else:
            SYSTEM.sleep(0.1)


if __name__ == "__main__":
    main()
