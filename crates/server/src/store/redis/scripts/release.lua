-- Gives a lease back, if it still is the one that is meant.
-- KEYS: lease. ARGV: app, channel, the lease's value.
if redis.call('GET', KEYS[1]) ~= ARGV[3] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[1] .. ' free')
return 1
