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

-- Let the lease of `job` last at least `ms` more, if it is still its own.
local function renew(lease, job, ms)
  if redis.call('GET', lease) == job and redis.call('PTTL', lease) < tonumber(ms) then
    redis.call('PEXPIRE', lease, ms)
  end
end
