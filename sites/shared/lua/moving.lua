-- Put before the scripts that move a job to another state.
--
-- move_job(record, shards, active, ended, results, work, member, to, reason, kind, idle, from)
--     -> {moved (0|1), state}
--   record    hash of the job's facts
--   shards    sorted set of holders; score = end of their lease (ms, server clock)
--   active    set of members that are pending, running or stopping
--   ended     set of members that wait to be drained and retired
--   results   stream of what is not drained: behind the job's pages it tells how the job stands
--   work      list of sorted sets of pages that are not done: while there are any, it does not move
--   kind      active | stopped | finished: what `to` is
--   idle      1: only when no shard holds a lease; reservations of a stopping job do not count
--   from      list of the states that may move to `to`
local time = redis.call('TIME')
local at = string.format('%d.%03d', time[1], math.floor(time[2] / 1000))
local at_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function holds_none(shards, state)
  redis.call('ZREMRANGEBYSCORE', shards, '-inf', at_ms)
  if state == 'stopping' then
    for _, holder in ipairs(redis.call('ZRANGE', shards, 0, 999)) do
      if string.sub(holder, 1, 9) == 'reserved:' then
        redis.call('ZREM', shards, holder)
      end
    end
  end
  return redis.call('ZCARD', shards) == 0
end

-- Behind the results of all pages that the job has by now; returns the id of the entry.
local function tell(results, record, member, to, reason)
  local site, job = string.match(member, '^(.-):(.*)$')
  local began = redis.call('HGET', record, 'started_at') or ''
  return redis.call('XADD', results, '*', 'site', site, 'job', job, 'run', to, 'reason', reason, 'at', at,
    'started_at', began)
end

local function move_job(record, shards, active, ended, results, work, member, to, reason, kind, idle, from)
  local state = redis.call('HGET', record, 'state')
  if not state then
    return {0, ''}
  end
  local legal = false
  for _, legally in ipairs(from) do
    legal = legal or legally == state
  end
  for _, pages in ipairs(work) do
    legal = legal and redis.call('ZCARD', pages) == 0
  end
  if not legal or idle == '1' and not holds_none(shards, state) then
    return {0, state}
  end

  redis.call('HSET', record, 'state', to, 'reason', reason)
  if to == 'pending' or to == 'running' then
    -- The time that it may take counts from here on, and since when it stands still from when it is made to go on.
    redis.call('HSET', record, 'begun_at', at)
    redis.call('HDEL', record, 'over')
  end
  if to == 'pending' then
    redis.call('HDEL', record, 'moved_at', 'stalled')
  end
  if kind == 'active' then
    redis.call('SADD', active, member)
    redis.call('HDEL', record, 'finished_at')
    if to == 'running' then
      redis.call('HSETNX', record, 'started_at', at)
      tell(results, record, member, to, reason)
    end
  else
    redis.call('SREM', active, member)
    local last = tell(results, record, member, to, reason)
    redis.call('HSET', record, 'finished_at', at, 'last_result', last)
    if kind == 'finished' then
      redis.call('SADD', ended, member)
    end
  end
  return {1, to}
end
