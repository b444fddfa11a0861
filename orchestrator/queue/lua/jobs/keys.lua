-- People's own jobs.
--   KEYS 13..30: the further fields of core.keys.JobQueueKeys, in their order.
-- New jobs in ARGV: id, payload, priority, delay_ms, key, host, and what a known one keeps of these (a
-- list of names with commas around each); neither key nor host has a line feed.
local OWN, WORDS = 31, 7
local about, since, lanes, free, ring = KEYS[13], KEYS[14], KEYS[15], KEYS[16], KEYS[17]
local rota, left, waiting, blocked, tally = KEYS[18], KEYS[19], KEYS[20], KEYS[21], KEYS[22]
local limits, run, history, result = KEYS[23], KEYS[24], KEYS[25], KEYS[26]
local ended, wake = {done = KEYS[27], skipped = KEYS[28], error = KEYS[29]}, KEYS[30]
local outcome_of = {d = 'done', s = 'skipped', e = 'error'}
