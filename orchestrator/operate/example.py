"""The orch.toml that `orch config init` writes: every setting with its default, commented out."""

EXAMPLE = """\
# orch.toml: every line that is commented out shows the default.
# A value can also come from $ORCH_SECTION_KEY or from `orch --set section.key=value`.

[redis]
# url = "redis://127.0.0.1:6379/0"  # default: a private Redis on a socket in data/run/
# binary = "/usr/bin/redis-server"  # default: the PATH's, else the one that came with orch
# prefix = "myproject:"             # for our keys on a Redis that others use too

[worker]
# concurrency = 8                   # or "auto": one for each processor

[proxies]
# sources = ["proxies.txt", "https://example.org/list.txt"]
# default_scheme = "http"           # of lines without one: http, https, socks4 or socks5
# judges = ["http://httpbin.org/get"]
# check_timeout = "8s"              # for one proxy, all in all
# min_usable = 10                   # below this a site that wants proxies refreshes first
# fresh_for = "30m"                 # how long a check counts
# source_timeout = "20s"
# in_flight = 500                   # checks at once in one worker child

[sites]
# slice = "60s"                     # how long a worker slot works on one site at a stretch
# shards_per_job = 2                # how many slots one site may have
# max_undrained_mb = 64             # results waiting in Redis, before shards pause
"""
