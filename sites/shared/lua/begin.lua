-- begin(shards, record, pages; reservation, holder, ttl_ms) -> 1 the lease is the holder's, 0 go away
--   shards   sorted set of holders; score = end of their lease (ms, server clock)
--   record   hash of the job's facts
--   pages    sorted set of leased pages; score = end of the lease (ms). Whoever begins alone finds those of
--            shards that have ended: they run out now
-- `reservation` may be a lease of somebody who has certainly ended. A message that is delivered a second
-- time finds no reservation and ends at once.
local shards, record, pages = unpack(KEYS)
local reservation, holder, ttl = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', shards, '-inf', now)
if redis.call('ZREM', shards, reservation) == 0 then
  return 0
end
local state = redis.call('HGET', record, 'state')
if state ~= 'pending' and state ~= 'running' then
  return 0
end
local alone = true
for _, other in ipairs(redis.call('ZRANGE', shards, '0', '-1')) do
  alone = alone and string.find(other, '^reserved:') ~= nil
end
for _, url in ipairs(alone and redis.call('ZRANGE', pages, '0', '-1') or {}) do
  redis.call('ZADD', pages, now, url)
end
redis.call('ZADD', shards, now + ttl, holder)
redis.call('HSET', record, 'served_at', string.format('%d.%03d', time[1], now % 1000))
return 1
