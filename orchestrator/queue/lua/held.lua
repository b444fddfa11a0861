-- Leases.

-- Whether `held` is the current token of `id` and its lease has not run out.
local function holds(id, held)
  if redis.call('HGET', token, id) ~= held then
    return false
  end
  local ends = redis.call('ZSCORE', leased, id)
  return ends and tonumber(ends) > now
end

local function end_lease(id)
  redis.call('ZREM', leased, id)
  redis.call('HDEL', token, id)
end

-- Counts an end, and says why, if there is a reason.
local function note_end(id, outcome, reason)
  redis.call('HINCRBY', counts, outcome, 1)
  if reason ~= '' then
    local tried = tonumber(redis.call('HGET', attempts, id) or 0)
    redis.call('HSET', errors, id, cjson.encode({reason = reason, attempts = tried}))
  end
end
