-- reserve(shards, all shards…; holder, ttl_ms, per_job, budget) -> 1 reserved, 0 no place
--   shards       of the job that wants one more: sorted set; score = end of lease (ms, server clock)
--   all shards…  of every active job, that one included
-- At most per_job leases of this job and `budget` of all jobs together are live at once.
local holder, ttl, per_job, budget = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(per_job) then
  return 0
end
local live = 0
for at = 2, #KEYS do
  live = live + redis.call('ZCOUNT', KEYS[at], '(' .. now, '+inf')
end
if live >= tonumber(budget) then
  return 0
end
redis.call('ZADD', KEYS[1], now + ttl, holder)
return 1
