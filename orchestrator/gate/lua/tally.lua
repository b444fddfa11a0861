-- tally(state; oks, span, ttl_ms) -> 'state epoch rest what-for'
-- So many requests went well since the last time: said all at once by who needs neither turn nor slot.
local state, oks, span = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local tenth = math.floor(now * TENTHS / span)
local field = 'w' .. tenth % TENTHS
local known = redis.call('HMGET', state, 'epoch', 'until', 'pause', field)
if oks > 0 and not known[2] then
  local at, good, bad = of_tenth(known[4])
  if at ~= tenth then
    good, bad = 0, 0
  end
  redis.call('HSET', state, field, string.format('%.0f %.0f %.0f', tenth, good + oks, bad))
  if redis.call('PTTL', state) < tonumber(ARGV[3]) then
    redis.call('PEXPIRE', state, ARGV[3])
  end
end
return standing(tonumber(known[1] or 0), known[2] and tonumber(known[2]), tonumber(known[3] or 0))
