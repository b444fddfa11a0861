-- setback(clock[, in ms…, in µs…, in s…, states…, brief…]; least_ms, how many of each…)
--     -> by how many ms the server's clock was set back since the last look; 0 when it was not
--   clock     when somebody looked last (ms, server clock)
--   in X…     sorted sets of leases and delays; score = a point in time
--   states…   hashes of gates, with points in time in µs in POINTS
--   brief…    keys that live for seconds
-- With the clock alone it is only told. Whatever was meant for soon and now seems to be far away comes as
-- much nearer as the clock went back; what was written since then is left alone, because it is nearer than
-- half of that. At most MOST of a set at a time: the next look takes more.
local MOST = 10000
local POINTS = { 'due', 'pause', 'until', 'cut_at', 'raised_at', 'closed_at' }
local clock, least = KEYS[1], tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function whole(number)
  return string.format('%.0f', number)
end

local back = tonumber(redis.call('GET', clock) or 0) - now
if back < least then
  redis.call('SET', clock, whole(now))
  return 0
elseif #KEYS == 1 then
  return back
end
redis.call('SET', clock, whole(now))

local at = 2
local function each(group, change)
  for _ = 1, tonumber(ARGV[group]) do
    change(KEYS[at])
    at = at + 1
  end
end

local function set_in(units)
  return function(key)
    local far = '(' .. whole((now + back / 2) * units)
    local found = redis.call('ZRANGEBYSCORE', key, far, '+inf', 'WITHSCORES', 'LIMIT', 0, MOST)
    for nth = 1, #found, 2 do
      redis.call('ZADD', key, whole(found[nth + 1] - back * units), found[nth])
    end
  end
end

each(2, set_in(1))
each(3, set_in(1000))
each(4, set_in(0.001))
each(5, function(key)
  for nth, point in ipairs(redis.call('HMGET', key, unpack(POINTS))) do
    point = tonumber(point or 0) / 1000
    if point > now + back / 2 then
      redis.call('HSET', key, POINTS[nth], whole((point - back) * 1000))
    end
  end
end)
each(6, function(key)
  local left = redis.call('PTTL', key)
  if left > back / 2 then
    redis.call('PEXPIRE', key, whole(left - back))
  end
end)
return back
