-- look(state) -> 'state epoch rest what-for'
local known = redis.call('HMGET', KEYS[1], 'epoch', 'until', 'pause')
return standing(tonumber(known[1] or 0), known[2] and tonumber(known[2]), tonumber(known[3] or 0))
