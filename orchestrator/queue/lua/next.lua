-- next(queue…) -> in how many ms the next delay or lease is over, -1 when there is neither
local soonest
for _, where in ipairs({delayed, leased}) do
  local at = redis.call('ZRANGE', where, 0, 0, 'WITHSCORES')[2]
  soonest = at and math.min(at, soonest or math.huge) or soonest
end
return soonest and math.max(0, soonest - now) or -1
