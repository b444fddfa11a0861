-- steer(state, sites; verb, value, why, ttl_ms, site, interval, adaptive) -> '': what people may do
--   reset     close the breaker, end a pause, go at full speed again
--   trip US   open the breaker for so long, because of `why`
--   pause US  nobody goes for so long
--   rate US   go at this interval, in place of the configured one; 0: at that again
-- `interval` is the configured one (0 or none: unknown, or no limit).
local state, verb, value, why, ttl = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local configured = tonumber(ARGV[6] or 0)
local known = redis.call('HMGET', state, 'epoch', 'until', 'pause', 'set', 'due', 'pace')
local epoch, over, pause = tonumber(known[1] or 0), tonumber(known[2] or 0), tonumber(known[3] or 0)
local set, due = tonumber(known[4] or 0), tonumber(known[5] or 0)
local pace = ARGV[7] == '1' and tonumber(known[6] or 0) or 0
local before = math.max(set > 0 and set or configured, pace)

-- What was booked last counts at the new interval: nobody waits for the rest of a longer one.
local function go_at(interval)
  redis.call('HDEL', state, 'pace', 'cut_at', 'raised_at', 'cut_for', 'fast', 'slow')
  if due > 0 and configured > 0 then
    due = math.max(1, due - before + interval)
    redis.call('HSET', state, 'due', due)
  end
end

if verb == 'reset' then
  redis.call('HDEL', state, 'until', 'trials', 'trips', 'closed_at', 'why', 'pause', 'w0', 'w1', 'w2', 'w3', 'w4',
    'w5', 'w6', 'w7', 'w8', 'w9')
  redis.call('HSET', state, 'epoch', epoch + 1)
  over, pause = 0, 0
  go_at(set > 0 and set or configured)
elseif verb == 'trip' then
  over = now + value
  redis.call('HSET', state, 'epoch', epoch + 1, 'until', over, 'why', why)
  redis.call('HDEL', state, 'trials')
elseif verb == 'pause' then
  pause = math.max(pause, now + value)
  redis.call('HSET', state, 'pause', pause)
elseif value > 0 then
  set = value
  redis.call('HSET', state, 'set', set)
  go_at(set)
else
  set = 0
  redis.call('HDEL', state, 'set')
  go_at(configured)
end
local left = (set > 0 and WEEK_MS or ttl) + (math.max(now, due, over, pause) - now) / 1000
redis.call('HDEL', state, 'kept')
redis.call('PEXPIRE', state, math.ceil(left))
remember(KEYS[2], ARGV[5], left)
return ''
