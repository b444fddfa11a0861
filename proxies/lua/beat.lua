-- beat(current, last, status, checked, usable, want, signs, holders;
--      job, index, holder, checked, usable, lease_ms, ttl_s)
--     -> 1 go on, 2 report: enough is found, 0 the refresh has ended or somebody else has the chunk
--   current    lease of the refresh that runs; renewed for this one
--   last       id of the newest refresh
--   checked, usable   hashes index of a chunk -> how many so far
--   signs      hash index -> when it last gave a sign of life (s, server clock)
--   holders    hash index -> who works on it
local job, index, holder = ARGV[1], ARGV[2], ARGV[3]
local checked, usable, lease, ttl = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
if not open(redis.call('GET', KEYS[3])) or redis.call('HGET', KEYS[8], index) ~= holder then
  return 0
end
note(ttl, {KEYS[4], index, checked}, {KEYS[5], index, usable}, {KEYS[7], index, now()})
renew(KEYS[1], KEYS[2], job, lease)
return enough(KEYS[6], KEYS[5]) and 2 or 1
