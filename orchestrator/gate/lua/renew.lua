-- renew(slots; lease, ttl_ms, holder…) -> how many of the holders still have their slot
--   slots   as in enter
-- All times in µs, of the server's clock. A lease that has run out is not revived, and one that was
-- booked further ahead is not shortened.
local slots = KEYS[1]
local lease, ttl = tonumber(ARGV[1]), ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local held = 0
for at = 3, #ARGV do
  local ends = tonumber(redis.call('ZSCORE', slots, ARGV[at]) or 0)
  if ends > now then
    redis.call('ZADD', slots, string.format('%.0f', math.max(ends, now + lease)), ARGV[at])
    held = held + 1
  end
end
if held > 0 then
  redis.call('PEXPIRE', slots, string.format('%.0f', ttl + lease / 1000))
end
return held
