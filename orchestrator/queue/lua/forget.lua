-- forget(queue…; ids) -> those of them that had ended, and are forgotten
local gone = {}
for _, id in ipairs(ARGV) do
  local outcome = outcome_of[redis.call('HGET', state, id)]
  if outcome then
    forget_all({id}, outcome)
    gone[#gone + 1] = id
  end
end
return gone
