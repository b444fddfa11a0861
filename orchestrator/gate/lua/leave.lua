-- leave(rate, breaker, slots, window; holder, epoch, outcome ('ok' | 'failure' | 'neutral'),
--       retry_after, tolerance, failures, span, ratio, open, open_cap, ttl_ms)
--     -> 'opened', 'closed' or '': what this report did to the breaker
--   rate      as in enter: retry_after moves the next request of anybody behind it
--   breaker   hash: epoch, of the state that lasts now; until, there when tripped; trial, the holder
--             that tries half-open; trips, in a row; closed_at
--   slots     as in enter
--   window    hash 0..9 -> "tenth ok failed": what was reported in the last ten tenths of `span`
-- All times in µs, of the server's clock. A report of another epoch says nothing about this one.
local rate, breaker, slots, window = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local holder, epoch, outcome = ARGV[1], ARGV[2], ARGV[3]
local retry_after, tolerance = tonumber(ARGV[4]), tonumber(ARGV[5])
local failures, span, ratio = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local open, open_cap, ttl = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local TENTHS = 10

local function whole(number)
  return string.format('%.0f', number)
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

redis.call('ZREM', slots, holder)

if retry_after > 0 then
  local booked = tonumber(redis.call('GET', rate) or 0)
  local due = math.max(booked, now + retry_after + tolerance)
  redis.call('SET', rate, whole(due), 'PX', whole(ttl + (due - now) / 1000))
end

local known = redis.call('HMGET', breaker, 'epoch', 'until', 'trial', 'trips', 'closed_at')
if outcome == 'neutral' or (known[1] or '0') ~= epoch then
  return ''
end

local function trip(trips)
  local rest = math.min(open_cap, open * 2 ^ math.min(trips - 1, 40))
  redis.call('HSET', breaker, 'epoch', whole(epoch + 1), 'until', whole(now + rest),
    'trips', whole(trips))
  redis.call('HDEL', breaker, 'trial')
  redis.call('PEXPIRE', breaker, whole(ttl + rest / 1000))
  redis.call('DEL', window)
  return 'opened'
end

local trips = tonumber(known[4] or 0)
if known[2] then
  if known[3] ~= holder then
    return ''
  end
  if outcome == 'failure' then
    return trip(trips + 1)
  end
  redis.call('HSET', breaker, 'epoch', whole(epoch + 1), 'closed_at', whole(now))
  redis.call('HDEL', breaker, 'until', 'trial')
  redis.call('PEXPIRE', breaker, whole(ttl))
  return 'closed'
end

-- Closed: count this report, then look at the whole window.
local tenth = math.floor(now * TENTHS / span)
local function of_tenth(entry)
  local at, good, bad = string.match(entry or '', '(%d+) (%d+) (%d+)')
  return tonumber(at), tonumber(good), tonumber(bad)
end

local field = whole(tenth % TENTHS)
local at, good, bad = of_tenth(redis.call('HGET', window, field))
if at ~= tenth then
  good, bad = 0, 0
end
if outcome == 'failure' then
  bad = bad + 1
else
  good = good + 1
end
redis.call('HSET', window, field, whole(tenth) .. ' ' .. whole(good) .. ' ' .. whole(bad))
redis.call('PEXPIRE', window, whole(ttl))
if outcome ~= 'failure' then
  return ''
end

local ok, failed = 0, 0
for _, entry in ipairs(redis.call('HVALS', window)) do
  at, good, bad = of_tenth(entry)
  if at <= tenth and at > tenth - TENTHS then
    ok, failed = ok + good, failed + bad
  end
end
if failed < failures or failed < ratio * (ok + failed) then
  return ''
end
-- Tripped again soon after it closed: the next one in the same row.
if now - tonumber(known[5] or 0) > span then
  trips = 0
end
return trip(trips + 1)
