-- finish(status, completed_at, result_count, summary, current, yield, pool, staged, failures, meta;
--        job, outcome, summary, ttl_s, replace, floor, live, usable)
--     -> {1 if this call ended the refresh, else 0; the pool's generation}
--   staged     the new pool; takes the place of `pool` when `replace` is 1
--   failures   of proxies in a row; forgotten with the old pool
--   meta       generation, refreshed_at, refresh, live, usable
--   floor      a generation that people may have seen already: ours is higher
-- A refresh ends once; whoever comes later changes nothing.
local job, outcome, summary, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local replace, floor, live, usable = ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8]
if not open(redis.call('GET', KEYS[1])) then
  redis.call('UNLINK', KEYS[8])
  return {0, tonumber(redis.call('HGET', KEYS[10], 'generation') or 0)}
end

local at = now()
if replace == '1' then
  local facts = {'refreshed_at', at, 'refresh', job, 'live', live, 'usable', usable}
  swap(KEYS[7], KEYS[8], KEYS[9], KEYS[10], floor, facts)
end
redis.call('SET', KEYS[1], outcome, 'EX', ttl)
redis.call('SET', KEYS[2], at, 'EX', ttl)
redis.call('SET', KEYS[3], live, 'EX', ttl)
redis.call('SET', KEYS[4], summary, 'EX', ttl)
give_back(KEYS[5], job)
give_back(KEYS[6], job)
return {1, tonumber(redis.call('HGET', KEYS[10], 'generation') or 0)}
