-- Keeps a lease alive; one that ended, and that nobody took since, begins again.
-- KEYS: record, lease. ARGV: the lease's value, its epoch, its number, ms. 1 if it is kept, 0 if it is lost.
local held = redis.call('GET', KEYS[2])
if held == ARGV[1] then return redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
if held then return 0 end
local row = redis.call('HMGET', KEYS[1], 'e', 'n')
if row[1] ~= ARGV[2] or row[2] ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[4])
return 1
