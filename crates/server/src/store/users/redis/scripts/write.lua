-- Keeps a user's record, if what is there is still the version that was seen. A value begins with its version, 8 bytes.
-- KEYS: the record; its name under the previous master key, where there is one; both in one slot.
-- ARGV: version that was seen, nothing for none; value; when it ends. 1: kept; else what is there, 0 for nothing.
local held = redis.call('GET', KEYS[1])
if not held and KEYS[2] then held = redis.call('GET', KEYS[2]) end
local version = held and string.sub(held, 1, 8) or ''
-- Asked twice, because the first answer was lost.
if version == string.sub(ARGV[2], 1, 8) then return 1 end
if version ~= ARGV[1] then return held or 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
if KEYS[2] then redis.call('DEL', KEYS[2]) end
return 1
