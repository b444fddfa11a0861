-- Of a job that has ended only its state stays, and why; of one that failed the payload too, because it
-- may be queued anew.
local function finish(id, from, outcome, reason)
  end_lease(id)
  note_end(id, outcome, reason)
  for _, of_live_jobs in ipairs({attempts, priority, last_error}) do
    redis.call('HDEL', of_live_jobs, id)
  end
  if outcome ~= 'error' then
    redis.call('HDEL', payload, id)
  end
  redis.call('HSET', state, id, string.sub(outcome, 1, 1))
end
