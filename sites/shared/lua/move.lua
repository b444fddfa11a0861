-- move(record, shards, active, ended, results, work…; member, to, reason, kind, idle, from…)
--     -> {moved (0|1), state}
--   All of them as in `moving.lua`, which is put before this.
local record, shards, active, ended, results = unpack(KEYS, 1, 5)
local member, to, reason, kind, idle = unpack(ARGV, 1, 5)
local work, from = {unpack(KEYS, 6)}, {unpack(ARGV, 6)}
return move_job(record, shards, active, ended, results, work, member, to, reason, kind, idle, from)
