-- replace(pool, staged, failures, meta; floor, live, usable) -> generation
--   staged     the new pool; takes the place of `pool`
--   failures   of proxies in a row; forgotten with the old pool
--   meta       generation, refreshed_at, live, usable
local floor, live, usable = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local facts = {'refreshed_at', now(), 'live', live, 'usable', usable}
return swap(KEYS[1], KEYS[2], KEYS[3], KEYS[4], floor, facts)
