-- What the verbs of the work queue share; put before each of them.
--   KEYS 1..12: the fields of core.keys.QueueKeys, in their order.
-- Between this and a verb comes what the verb needs (`verbs.py`): `held`, and of its kind of queue
-- (`frontier/` or `jobs/`)
--   keys     OWN (the first of KEYS that is the verb's own), WORDS (in ARGV, of each new job), and the
--            further keys; nil is what a kind has not
--   ledger   closed(id, why, reason): an attempt has failed, or its lease ran out
--            finish(id, from, outcome, reason): `from` is the state before, by its first letter
--   lanes    make_ready(id, from, back): it may be leased, in its turn; `back` in the turn it had
--            make_delayed(id, from, delay_ms)
--   new      add(at, conflict): the new job at ARGV[at]; returns 1 when it is new, or queued anew
--   turns    pull(n, worker): takes up to n ids, in their turns, and marks them as in progress
local ready, delayed, leased, payload = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local attempts, token, state, errors = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local counts, fence, priority, last_error = KEYS[9], KEYS[10], KEYS[11], KEYS[12]

-- Numbers up to 2^53 as they are: Lua would write 1e+15.
local function whole(number)
  return string.format('%.0f', number)
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
