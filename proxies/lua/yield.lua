-- yield(sources; refresh, kept, ttl_s, then of each source: field, tried, live, alone) -> how many are new
--   sources    hash; `field` -> JSON list of what its last refreshes found, the newest first, `kept` of them
-- A refresh counts once, however often it is told of.
local sources, refresh, kept, ttl = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local time, new = redis.call('TIME'), 0
local at = tonumber(time[1]) + tonumber(time[2]) / 1000000
for first = 4, #ARGV, 4 do
  local field = ARGV[first]
  local found = cjson.decode(redis.call('HGET', sources, field) or '[]')
  local known = false
  for _, one in ipairs(found) do
    known = known or one.refresh == refresh
  end
  if not known then
    table.insert(found, 1, {
      refresh = refresh,
      at = at,
      tried = tonumber(ARGV[first + 1]),
      live = tonumber(ARGV[first + 2]),
      alone = tonumber(ARGV[first + 3]),
    })
    found[kept + 1] = nil
    redis.call('HSET', sources, field, cjson.encode(found))
    new = new + 1
  end
end
redis.call('EXPIRE', sources, ttl)
return new
