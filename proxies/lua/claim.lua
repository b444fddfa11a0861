-- claim(current, last, status, total, checked, usable, want, signs, holders, runs, verdicts, yield;
--       job, index, id, token, silent, most_runs, lease_ms, ttl_s)
--     -> 1 work on it, 2 report that enough is found, 0 it is not wanted from you
--   current    lease of the refresh that runs; renewed for this one
--   last       id of the newest refresh
--   status     DISPATCHED becomes PROCESSING
--   checked, usable   hashes index of a chunk -> how many so far; this run begins with none
--   signs      hash index -> when it last gave a sign of life (s, server clock)
--   holders    hash index -> 'id token' of its last run: only that one goes on
--   runs       hash index -> how often it was begun, `most_runs` times at most
-- A chunk that somebody holds is given away to the same `id`, a message that is delivered again because
-- its taker has died; or to one who has seen it `silent` (its sign, which has not changed since).
local job, index, id, token, silent = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local most, lease, ttl = tonumber(ARGV[6]), ARGV[7], ARGV[8]
if not open(redis.call('GET', KEYS[3])) or redis.call('HEXISTS', KEYS[11], index) == 1 then
  return 0
end
local me = id .. ' ' .. token
local held = redis.call('HGET', KEYS[9], index)
if held and held ~= me and string.match(held, '^%S+') ~= id and redis.call('HGET', KEYS[8], index) ~= silent then
  return 0
end
local runs = tonumber(redis.call('HGET', KEYS[10], index) or 0)
if held ~= me then  -- or the reply was lost, and this is the same call again
  runs = runs + 1
end
if runs > most then
  return 0
end

note(ttl, {KEYS[9], index, me}, {KEYS[10], index, runs})
note(ttl, {KEYS[5], index, 0}, {KEYS[6], index, 0}, {KEYS[8], index, now()})
redis.call('SET', KEYS[3], 'PROCESSING', 'EX', ttl)
renew(KEYS[1], KEYS[2], job, lease)
if redis.call('HLEN', KEYS[5]) >= tonumber(redis.call('GET', KEYS[4]) or 0) then
  give_back(KEYS[12], job)
end
return enough(KEYS[7], KEYS[6]) and 2 or 1
