-- record(verdicts, completed, status, checked, usable, signs; index, report, checked, usable, ttl_s)
--     -> 1 if it counts, 0 if this chunk has reported before or the refresh has ended
--   verdicts   hash index of a chunk -> what it found
--   completed  how many chunks have reported
local index, report, checked, usable, ttl = unpack(ARGV)
if not open(redis.call('GET', KEYS[3])) then
  return 0
end
if redis.call('HSETNX', KEYS[1], index, report) == 0 then
  return 0
end
redis.call('EXPIRE', KEYS[1], ttl)
redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ttl)
redis.call('SET', KEYS[3], 'PROCESSING', 'EX', ttl)
note(ttl, {KEYS[4], index, checked}, {KEYS[5], index, usable}, {KEYS[6], index, now()})
return 1
