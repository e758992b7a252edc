-- Takes a note away. KEYS: the note; where it stays a moment for who took it, in the same slot.
-- ARGV: who takes it, 16 bytes that nobody else has; ms for which a lost answer can be asked for again.
local note = redis.call('GET', KEYS[1])
if note then
  redis.call('DEL', KEYS[1])
  redis.pcall('SET', KEYS[2], ARGV[1] .. note, 'PX', ARGV[2]) -- a Redis that is full gives it once
  return note
end
-- Asked twice, because the first answer was lost.
local taken = redis.call('GET', KEYS[2])
if taken and string.sub(taken, 1, 16) == ARGV[1] then return string.sub(taken, 17) end
return false
