-- Ends the virtual tokens that a caller was handed before; never goes back.
-- KEYS: revoked. ARGV: channel, caller, epoch in 20 digits with its seal behind it, the oldest epoch worth keeping.
local held = redis.call('HGET', KEYS[1], ARGV[2])
if held and string.sub(held, 1, 20) >= string.sub(ARGV[3], 1, 20) then return 0 end
local all = redis.call('HGETALL', KEYS[1])
for at = 2, #all, 2 do
  if string.sub(all[at], 1, 20) < ARGV[4] then redis.call('HDEL', KEYS[1], all[at - 1]) end
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('PUBLISH', ARGV[1], '- revoked')
return 1
