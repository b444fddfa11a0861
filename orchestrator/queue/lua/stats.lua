-- stats(queue…) -> {ready, delayed, in_progress, done, skipped, error, refused, (how many leases ran out,
--     for how many ms the one has been ready that has longest)}
--   Costs the same at any size.
local ended = redis.call('HMGET', counts, 'done', 'skipped', 'error', 'refused')
local found = {redis.call('ZCARD', ready), redis.call('ZCARD', delayed), redis.call('ZCARD', leased)}
for at = 1, 4 do
  found[3 + at] = tonumber(ended[at] or 0)
end
if since then
  local oldest = redis.call('ZRANGE', since, 0, 0, 'WITHSCORES')[2]
  found[8] = redis.call('ZCOUNT', leased, '-inf', now)
  found[9] = oldest and now - oldest
end
return found
