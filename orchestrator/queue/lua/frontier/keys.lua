-- A frontier has no keys, no hosts, no limits and no history. New jobs in ARGV: id, payload, priority,
-- delay_ms.
local OWN, WORDS = 13, 4
local about, since, result, closed
