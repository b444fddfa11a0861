-- beat(shards, record, pace, health, backlog, yield; holder, ttl_ms, rate, reason, reason_ms)
--     -> {held (0|1), state, live shards, backlog in bytes, who wants the slot or ''}
--   shards    sorted set of holders; score = end of their lease (ms, server clock)
--   record    hash of the job's facts
--   pace      hash holder -> pages per second
--   health    why the job does not get on; there for reason_ms
--   backlog   counter of bytes that wait to be drained
--   yield     who waits for a worker slot; there while somebody does
local shards, record, pace, health, backlog, yield = unpack(KEYS)
local holder, ttl, rate, reason, reason_ms = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HGET', record, 'state') or ''

redis.call('ZREMRANGEBYSCORE', shards, '-inf', now)
if not redis.call('ZSCORE', shards, holder) then
  return {0, state, 0, 0, ''}
end
redis.call('ZADD', shards, now + ttl, holder)
redis.call('HSET', record, 'served_at', string.format('%d.%03d', time[1], now % 1000))
redis.call('HSET', pace, holder, rate)
redis.call('EXPIRE', pace, 60)
if reason ~= '' then
  redis.call('SET', health, reason, 'PX', reason_ms)
end
return {
  1, state, redis.call('ZCARD', shards),
  tonumber(redis.call('GET', backlog) or 0), redis.call('GET', yield) or '',
}
