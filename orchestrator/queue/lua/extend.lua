-- extend(queue…; ttl_ms, then id, token of each) -> numbers of those whose token is not current any more
--   A lease that ran out is never revived.
local lost, ends = {}, whole(now + ARGV[1])
for at = 2, #ARGV, 2 do
  if holds(ARGV[at], ARGV[at + 1]) then
    redis.call('ZADD', leased, ends, ARGV[at])
  else
    lost[#lost + 1] = at / 2
  end
end
return lost
