-- Notes that a writer without a lease may have minted. The note stays until a writer has been shown it.
-- KEYS: record. ARGV: app, channel, newest version the asker knows of, when.
local row = redis.call('HMGET', KEYS[1], 'v', 'late')
local version = padded(math.max(whole(row[1]) or 0, tonumber(ARGV[3])) + 1)
local late = ARGV[4]
if row[2] and row[2] > late then late = row[2] end
redis.call('HSET', KEYS[1], 'v', version, 'late', late)
redis.call('PUBLISH', ARGV[2], ARGV[1] .. ' ' .. version)
return 1
