-- extend(queue…; ttl_ms, then id, token of each) -> ids whose token is not current any more
--   A lease that ran out is never revived.
local lost = {}
for at = 2, #ARGV, 2 do
  local id = ARGV[at]
  if holds(id, ARGV[at + 1]) then
    redis.call('ZADD', leased, string.format('%.0f', now_ms() + ARGV[1]), id)
  else
    lost[#lost + 1] = id
  end
end
return lost
