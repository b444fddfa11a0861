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
# recycle_mb = 500                  # a process that has used so much is replaced after its task; 0: never
# queues = ["control", "shards"]    # short work, and slices of site jobs

# [worker.heavy]                    # one more worker; its service is called worker-heavy
# concurrency = 4
# queues = ["shards"]

[proxies]
# sources = ["proxies.txt", "https://example.org/list.txt"]
# default_scheme = "http"           # of addresses without one. Default: tried as http and as socks5
# judges = ["http://httpbin.org/get", "https://httpbin.org/get"]  # or your own: orch proxies judge
# check_timeout = "8s"              # for one proxy, all in all
# min_usable = 10                   # below this a site that wants proxies refreshes first
# refresh_every = "6h"              # default: never by itself, but when a site has fewer than min_usable
# fresh_for = "30m"                 # how long a check counts
# credentials_in_file = false       # whether live_proxies.json and .txt have users and passwords
# source_timeout = "20s"
# source_max_size = "20MB"
# source_keep = "1d"                # the last good list of a source that fails counts for so long
# in_flight = 4000                  # checks at once in one worker child

# [proxies.source.paid]             # one more list, here with secrets from the environment
# url = "https://example.org/list?token=${PAID_TOKEN}"   # or file = "…", command = ["…"], shell = "…"
# headers = { X-Client = "${PAID_CLIENT}" }
# user = "${PAID_USER}"             # for that server
# password = "${PAID_PASSWORD}"
# proxy_user = "${PROXY_USER}"      # for the proxies of the list
# proxy_password = "${PROXY_PASSWORD}"
# format = "json"                   # or csv; text, also with a pattern: see the README
# path = "data.list"                # json: where the list is
# fields = { host = "ip", port = "port" }        # json, csv: what the parts of a proxy are called
# timeout = "20s"                   # also max_size, keep

[gateway]                           # one local proxy for any program: `orch proxies serve`
# listen = "127.0.0.1:8118"         # with this `orch up` runs it as a service. Default: it does not
# password = "${GATEWAY_PASSWORD}"  # what clients must give; a must where others can reach the address
# tries = 4                         # so many upstreams for one request
# connect_timeout = "5s"
# answer_timeout = "30s"
# max_clients = 4096
# banned = [429]                    # by these statuses a site has had enough of a proxy
# countries = "countries.csv"       # first address,last address,country: so that one can be asked for
# access_log = "access.log"         # default: data/logs/gateway-access.log; "": none

[sites]
# slice = "60s"                     # how long a worker slot works on one site at a stretch
# shards_per_job = 2                # how many slots one site may have
# max_undrained_mb = 64             # results waiting in Redis, before shards pause
# keep_runs = 20                    # so many last jobs of a site keep their results
# min_free_mb = 200                 # a machine with less free memory begins no new shard; 0: never mind

[queue]                             # for `orch queue run`
# pipeline = "fetch"                # what is done with jobs: fetch, exec or module:function
# max_workers = 8                   # jobs at once
# max_per_resolver = { a = 2, "*" = 9 }   # jobs at once of a key, "*": of each other; 0 holds them back
# max_per_host = 4                  # jobs at once of a host; 0: any number. `orch queue limits` beats both
# lease_ttl_seconds = 600           # a job whose runner was killed is taken back after so long
# heartbeat_seconds = 30            # how often leases are extended; at most a third of lease_ttl_seconds
# max_job_attempts = 3
# retry_backoff_seconds = 60        # doubled with each attempt up to an hour, and drawn from 0 to that
# jitter_seconds = 15               # added, drawn from 0 to this, also to what a server asks for
# max_run_seconds = "1h"            # a job that runs longer is tried again
# grace_seconds = 10                # a stop lets jobs finish for so long

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
