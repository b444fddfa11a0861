-- move(record, shards, active, ended, results; member, to, reason, kind, idle, from…)
--     -> {moved (0|1), state}
--   record    hash of the job's facts
--   shards    sorted set of holders; score = end of their lease (ms, server clock)
--   active    set of members that are pending, running or stopping
--   ended     set of members that wait to be drained and retired
--   results   stream of what is not drained
--   kind      active | stopped | finished: what `to` is
--   idle      1: only when no shard holds a lease; reservations of a stopping job do not count
--   from…     the states that may move to `to`
local record, shards, active, ended, results = unpack(KEYS)
local member, to, reason, kind, idle = unpack(ARGV, 1, 5)
local time = redis.call('TIME')
local now = string.format('%d.%03d', time[1], math.floor(time[2] / 1000))
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local state = redis.call('HGET', record, 'state')
if not state then
  return {0, ''}
end

local legal = false
for at = 6, #ARGV do
  legal = legal or ARGV[at] == state
end
if not legal then
  return {0, state}
end

if idle == '1' then
  redis.call('ZREMRANGEBYSCORE', shards, '-inf', now_ms)
  if state == 'stopping' then
    for _, holder in ipairs(redis.call('ZRANGE', shards, 0, 999)) do
      if string.sub(holder, 1, 9) == 'reserved:' then
        redis.call('ZREM', shards, holder)
      end
    end
  end
  if redis.call('ZCARD', shards) > 0 then
    return {0, state}
  end
end

redis.call('HSET', record, 'state', to, 'reason', reason)
if kind == 'active' then
  redis.call('SADD', active, member)
  redis.call('HDEL', record, 'finished_at')
  if to == 'running' then
    redis.call('HSETNX', record, 'started_at', now)
  end
else
  redis.call('SREM', active, member)
  local last = redis.call('XREVRANGE', results, '+', '-', 'COUNT', 1)
  redis.call('HSET', record, 'finished_at', now, 'last_result', last[1] and last[1][1] or '0-0')
  if kind == 'finished' then
    redis.call('SADD', ended, member)
  end
end
return {1, to}
