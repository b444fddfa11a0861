"""Works off the jobs of a home, shard after shard, until none is active: a child to be killed.

`python -m tests.support.shard_process HOME`
"""

from __future__ import annotations

import sys

from orchestrator.core.clock import SYSTEM
from orchestrator.core.context import Context
from orchestrator.nodes.registry import Node, Nodes
from sites.job.ref import JobRef
from sites.jobs.topup import TopUp
from sites.shared.record import Records
from sites.shared.shard import run_shard


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
