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
# queues = ["control", "shards"]    # short work, and slices of site jobs

# [worker.heavy]                    # one more worker; its service is called worker-heavy
# concurrency = 4
# queues = ["shards"]

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

# [service.flower]                  # a service of your own, beside redis, results, worker and beat
# command = ["celery", "flower", "--address=127.0.0.1"]
# needs = ["redis"]                 # started after these are ready, stopped before them
# ready = { http = "http://127.0.0.1:5555/" }    # default: after = "1s"; or one of
#                                   # tcp = "HOST:PORT", exec = ["COMMAND"], file = "PATH"
# alive = { tcp = "127.0.0.1:5555", every = "1s", timeout = "800ms", threshold = 3 } # default: as ready
# start_timeout = "10s"             # it has so long to become ready
# stop_signal = "TERM"
# grace = "10s"                     # between that and KILL
# restart = "always"                # or on-failure; never: it does something once, and without `ready`
#                                   # it is ready when it has ended with 0 (start_timeout is then 10m)
# restart_limit = 6                 # so many deaths within restart_window, and it has failed
# restart_window = "60s"
# env = { FLOWER_UNAUTHENTICATED_API = "1" }     # REDIS_URL and CELERY_BROKER_URL are set
# cwd = "."                         # from the home; ~ is yours
# memory_limit = "500MB"            # with its children; over it, it is restarted gently. Default: none
# log_size = "10MB"                 # then its log is rotated; 0: never
# log_keep = 5
# log_reopen = "USR1"               # or HUP, USR2, WINCH: only if it opens its log anew on this signal.
#                                   # Default: copied and cut
# auto = true                       # false: only `orch up flower` starts it

# [service.redis]                   # one of orch's own can be tuned: all but command, needs, cwd and how
# alive = { every = "500ms", timeout = "400ms" } # it is asked whether it is ready
# memory_limit = "2GB"
"""
