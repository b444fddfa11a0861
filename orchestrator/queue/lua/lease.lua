-- lease(queue…, backlog?; n, ttl_ms, max_attempts, backlog_limit, sweep)
--     -> {id, token, payload, attempt, …} of what this call took, in order
--   backlog   counter of bytes that wait elsewhere; nothing is leased from backlog_limit on
-- First, at most `sweep` of each: jobs whose delay is over become ready, leases that ran out end.
local n, ttl, max_attempts, backlog_limit, sweep = unpack(ARGV)
local now = now_ms()

for _, id in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, sweep)) do
  redis.call('ZREM', delayed, id)
  make_ready(id)
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', leased, '-inf', now, 'LIMIT', 0, sweep)) do
  local tried = tonumber(redis.call('HGET', attempts, id))
  if tried >= tonumber(max_attempts) then
    local before = redis.call('HGET', last_error, id)
    finish(id, 'error', before and 'lease ran out at attempt ' .. tried .. '; before: ' .. before
      or 'lease ran out ' .. tried .. ' times')
  else
    end_lease(id)
    make_ready(id)
  end
end

local backlog = KEYS[13]
if backlog and tonumber(redis.call('GET', backlog) or 0) >= tonumber(backlog_limit) then
  return {}
end

local taken = {}
local popped = tonumber(n) > 0 and redis.call('ZPOPMIN', ready, n) or {}
for at = 1, #popped, 2 do
  local id = popped[at]
  local held = string.format('%.0f', redis.call('INCR', fence))
  local attempt = redis.call('HINCRBY', attempts, id, 1)
  redis.call('HSET', token, id, held)
  redis.call('HSET', state, id, 'i')
  redis.call('ZADD', leased, string.format('%.0f', now + ttl), id)
  for _, word in ipairs({id, held, redis.call('HGET', payload, id), attempt}) do
    taken[#taken + 1] = word
  end
end
return taken
