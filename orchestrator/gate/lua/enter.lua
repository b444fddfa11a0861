-- enter(rate, breaker, slots; holder, max_wait, interval, burst, limit, lease, ttl_ms)
--     -> {1, wait, epoch, trial (0|1)}, or {0, wait, 'breaker' | 'slot' | 'rate'}
--   rate      when the next request is due if the burst is used up (GCRA's theoretical arrival time)
--   breaker   hash: epoch; until, when tripped: open before it, half-open after; trial; see leave
--   slots     sorted set of holders; score = end of the lease
-- All times in µs, of the server's clock. If the wait for the rate is at most max_wait, that point
-- in time is booked and the caller sleeps until then; a refusal writes nothing.
local rate, breaker, slots = KEYS[1], KEYS[2], KEYS[3]
local holder = ARGV[1]
local max_wait, interval, burst = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, lease, ttl = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
-- Nobody knows when a slot or a trial ends before its lease does: worth another look after this.
local LOOK_AGAIN = 50000

local function whole(number)
  return string.format('%.0f', number)
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local known = redis.call('HMGET', breaker, 'epoch', 'until', 'trial')
local trial = 0
if known[2] then
  local over = tonumber(known[2])
  if over > now then
    return {0, over - now, 'breaker'}
  end
  local ends = known[3] and redis.call('ZSCORE', slots, known[3])
  if ends and tonumber(ends) > now then
    return {0, math.min(tonumber(ends) - now, LOOK_AGAIN), 'breaker'}
  end
  trial = 1
end

if redis.call('ZCOUNT', slots, '(' .. whole(now), '+inf') >= limit then
  return {0, LOOK_AGAIN, 'slot'}
end

local due = math.max(tonumber(redis.call('GET', rate) or 0), now)
local wait = math.max(0, due - (burst - 1) * interval - now)
if wait > max_wait then
  return {0, wait, 'rate'}
end

due = due + interval
redis.call('SET', rate, whole(due), 'PX', whole(ttl + (due - now) / 1000))
redis.call('ZREMRANGEBYSCORE', slots, '-inf', whole(now))
redis.call('ZADD', slots, whole(now + wait + lease), holder)
redis.call('PEXPIRE', slots, whole(ttl + (wait + lease) / 1000))
if trial == 1 then
  redis.call('HSET', breaker, 'trial', holder)
  redis.call('PEXPIRE', breaker, whole(ttl + (wait + lease) / 1000))
end
return {1, wait, tonumber(known[1] or 0), trial}
