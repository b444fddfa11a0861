-- extend(slots[, slots of the host]; lease, ttl_ms, holder…) -> a 1 for each that still has its slot, else 0
-- A lease that has run out is not revived, and one that was booked further ahead is not shortened.
local lease, ttl = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = {}
for at = 3, #ARGV do
  local ends = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[at]) or 0)
  kept[#kept + 1] = ends > now and '1' or '0'
  if ends > now then
    for _, slots in ipairs(KEYS) do
      redis.call('ZADD', slots, 'XX', math.max(ends, now + lease), ARGV[at])
      redis.call('PEXPIRE', slots, math.ceil(ttl + math.max(ends - now, lease) / 1000))
    end
  end
end
return table.concat(kept)
