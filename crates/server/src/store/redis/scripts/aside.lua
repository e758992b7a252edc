-- Moves a body that cannot be opened, or a key of another type, out of the way, where a person can still look at it. The next
-- lease begins a new epoch, so that replicas that hold the record in memory can offer it.
-- KEYS: record, damaged, lease. ARGV: app, channel, version that was looked at, ms to keep it.
local lease = redis.call('TYPE', KEYS[3]).ok
if lease ~= 'string' and lease ~= 'none' then redis.call('DEL', KEYS[3]) end
local record = redis.call('TYPE', KEYS[1]).ok
if record == 'none' then return 0 end
if record ~= 'hash' then
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
  return 1
end
local row = redis.call('HMGET', KEYS[1], 'v', 'b')
if (row[1] or '') ~= ARGV[3] then return 0 end
local version = padded((whole(row[1]) or 0) + 1)
if row[2] then redis.call('SET', KEYS[2], row[2], 'PX', ARGV[4]) end
redis.call('HDEL', KEYS[1], 'le', 'ln', 'g0', 'g1', 'g2', 'b', 'life')
redis.call('HSET', KEYS[1], 'v', version)
redis.call('PUBLISH', ARGV[2], ARGV[1] .. ' ' .. version)
return 1
