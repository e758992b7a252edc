-- The same record under another master key.
-- KEYS: record. ARGV: version that was read, sealed body.
if redis.call('HGET', KEYS[1], 'v') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'b', ARGV[2])
return 1
