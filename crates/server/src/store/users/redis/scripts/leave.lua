-- Leaves a note, unless one is there. KEYS: the note. ARGV: what it says, sealed and so never the same twice; in how many milliseconds
-- it ends.
-- 1: left, 0: one is there.
local held = redis.call('GET', KEYS[1])
-- Asked twice, because the first answer was lost.
if held then return held == ARGV[1] and 1 or 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
