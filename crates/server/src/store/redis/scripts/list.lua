-- Adds apps to the list of those that have a record. What is there already is not written again.
-- KEYS: the list. ARGV: apps.
local list = redis.call('TYPE', KEYS[1]).ok
if list ~= 'hash' and list ~= 'none' then redis.call('DEL', KEYS[1]) end
for at = 1, #ARGV do redis.call('HSETNX', KEYS[1], ARGV[at], '') end
return 1
