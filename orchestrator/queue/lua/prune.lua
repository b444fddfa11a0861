-- prune(queue…; age_ms, most, then outcomes) -> how many jobs were forgotten, `most` at most
local age, most, gone = ARGV[1], tonumber(ARGV[2]), 0
for at = 3, #ARGV do
  local until_then = whole(now - age)
  local ids = redis.call('ZRANGEBYSCORE', ended[ARGV[at]], '-inf', until_then, 'LIMIT', 0, most - gone)
  if ids[1] then
    forget_all(ids, ARGV[at])
    gone = gone + #ids
  end
end
return gone
