-- Forgets how a page ended. `facts`: what is known of one whose payload was not kept.
local function unfinish(id, was, facts)
  redis.call('HINCRBY', counts, was == 'e' and 'error' or 'skipped', -1)
  redis.call('HDEL', errors, id)
  redis.call('HSETNX', payload, id, facts)
end
