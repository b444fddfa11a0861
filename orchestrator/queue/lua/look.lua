-- look(queue…; ids) -> {how many of them were looked at, then 11 words of each that is known: id, state,
--     about, payload, attempts, reason, end of the lease or of the delay, ended at (ms), result, run,
--     history; '' is for nothing}
--   No more are looked at when the reply has so many bytes.
local ENOUGH = 1000000
local found, size = {0}, 0
for nth, id in ipairs(ARGV) do
  if size > ENOUGH then
    break
  end
  found[1] = nth
  local was = redis.call('HGET', state, id)
  if was then
    local at = was == 'i' and redis.call('ZSCORE', leased, id)
      or was == 'q' and redis.call('ZSCORE', delayed, id)
    local why = redis.call('HGET', errors, id)
    local over = outcome_of[was] and redis.call('ZSCORE', ended[outcome_of[was]], id)
    local words = {
      id, was, redis.call('HGET', about, id), redis.call('HGET', payload, id),
      redis.call('HGET', attempts, id) or 0,
      why and cjson.decode(why).reason or redis.call('HGET', last_error, id) or '',
      at or '', over or '',
      redis.call('HGET', result, id) or '', redis.call('HGET', run, id) or '',
      redis.call('HGET', history, id) or '',
    }
    for _, word in ipairs(words) do
      found[#found + 1] = word
      size = size + #tostring(word)
    end
  end
end
return found
