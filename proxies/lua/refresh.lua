-- What the scripts of a refresh share.

-- Seconds since 1970 on the server's clock, as text.
local function now()
  local time = redis.call('TIME')
  return time[1] .. '.' .. string.format('%06d', time[2])
end

-- Whether a refresh of this status has not ended yet.
local function open(status)
  return status == 'DISPATCHED' or status == 'PROCESSING'
end

-- Delete `key` if it holds `value`.
local function give_back(key, value)
  if redis.call('GET', key) == value then
    redis.call('DEL', key)
  end
end

-- Let the lease of `job`, which has not ended, last at least `ms` more. One that has run out (the
-- machine slept, its clock was set) is taken again, as long as no other refresh has begun since.
local function renew(lease, last, job, ms)
  local holder = redis.call('GET', lease)
  if holder == job and redis.call('PTTL', lease) < tonumber(ms)
    or not holder and redis.call('GET', last) == job then
    redis.call('SET', lease, job, 'PX', ms)
  end
end

-- Whether as many usable proxies are found (hash index of a chunk -> number) as somebody wants.
local function enough(want, usable)
  local wanted = tonumber(redis.call('GET', want) or 0)
  if wanted == 0 then
    return false
  end
  local found = 0
  for _, number in ipairs(redis.call('HVALS', usable)) do
    found = found + tonumber(number)
  end
  return found >= wanted
end

-- Set fields of hashes, each {key, field, value}, that are kept for `ttl` seconds.
local function note(ttl, ...)
  for _, one in ipairs({...}) do
    redis.call('HSET', one[1], one[2], one[3])
    redis.call('EXPIRE', one[1], ttl)
  end
end
