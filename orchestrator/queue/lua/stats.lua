-- stats(queue…) -> {ready, delayed, in_progress, done, skipped, error}; costs the same at any size
local function ended(outcome)
  return tonumber(redis.call('HGET', counts, outcome) or 0)
end
return {
  redis.call('ZCARD', ready), redis.call('ZCARD', delayed), redis.call('ZCARD', leased),
  ended('done'), ended('skipped'), ended('error'),
}
