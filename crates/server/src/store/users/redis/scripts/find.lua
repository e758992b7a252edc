-- A user's record. KEYS: its name; its name under the previous master key; both in one slot.
return redis.call('GET', KEYS[1]) or redis.call('GET', KEYS[2])
