-- lease(queue…, backlog?; n, ttl_ms, max_attempts, backlog_limit, sweep, worker)
--     -> {whether to look again, then id, token, payload, attempt (key, host) of each taken, in order}
--   backlog   counter of bytes that wait elsewhere; nothing is leased from backlog_limit on
-- First, at most `sweep` of each: jobs whose delay is over become ready, leases that ran out end.
local n, ttl, max_attempts, backlog_limit, sweep, worker = unpack(ARGV)
local at, ends = whole(now), whole(now + ttl)

local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', at, 'LIMIT', '0', sweep)
for _, id in ipairs(due) do
  redis.call('ZREM', delayed, id)
  make_ready(id, 'q')
end

local over = redis.call('ZRANGEBYSCORE', leased, '-inf', at, 'LIMIT', '0', sweep)
for _, id in ipairs(over) do
  local tried = tonumber(redis.call('HGET', attempts, id))
  -- Also what went wrong before the leases began to run out.
  local before = string.gsub(redis.call('HGET', last_error, id) or '', '^lease ran out.-; before: ', '')
  local why = 'lease ran out ' .. tried .. ' times'
  if before ~= '' and not string.find(before, '^lease ran out') then
    why = 'lease ran out at attempt ' .. tried .. '; before: ' .. before
  end
  if closed then
    closed(id, 'lease ran out', why)
  end
  if tried >= tonumber(max_attempts) then
    finish(id, 'i', 'error', why)
  else
    end_lease(id)
    make_ready(id, 'i')
  end
end

local backlog = KEYS[OWN]
if backlog and tonumber(redis.call('GET', backlog) or 0) >= tonumber(backlog_limit) then
  return {0}
end
if tonumber(n) <= 0 then
  return {0}
end

local ids, again = pull(tonumber(n), worker)
local most = tonumber(sweep)
local taken = {(again or #due == most or #over == most) and 1 or 0}
for _, id in ipairs(ids) do
  local held, word = whole(redis.call('INCR', fence)), #taken
  taken[word + 1], taken[word + 2], taken[word + 3] = id, held, redis.call('HGET', payload, id)
  taken[word + 4] = redis.call('HINCRBY', attempts, id, '1')
  if about then
    taken[word + 5], taken[word + 6] = job_of(id).key, job_of(id).host
  end
  redis.call('HSET', token, id, held)
  redis.call('ZADD', leased, ends, id)
end
return taken
