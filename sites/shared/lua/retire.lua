-- retire(record, ended, jobs, key…; member, ttl_ms, last) -> 1 retired, 0 it goes on, or has ended anew
--   record   hash of the job's facts; may be gone
--   ended    set of members that wait to be drained and retired
--   jobs     sorted set of members by time of creation (s, server clock)
--   key…     what else there is of the job; expires with the record
--   last     the entry up to which its results are drained, as the record said
local record, ended, jobs = KEYS[1], KEYS[2], KEYS[3]
local member, ttl, last = unpack(ARGV)
if redis.call('EXISTS', record) == 1 then
  local ends = redis.call('HGET', record, 'last_result') or '0-0'
  if redis.call('SISMEMBER', ended, member) == 0 or ends ~= last then
    return 0
  end
  for at = 1, #KEYS do
    if at ~= 2 and at ~= 3 then
      redis.call('PEXPIRE', KEYS[at], ttl)
    end
  end
end
redis.call('SREM', ended, member)
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', jobs, '-inf', time[1] - ttl / 1000)
return 1
