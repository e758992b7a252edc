-- Moves a record that was sealed anew to its new name, or drops it (nothing to put in its place), if it is still what was
-- read. KEYS: the old name; the new name, in the same slot. ARGV: what was read; the new value; when it ends.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' and redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('SET', KEYS[2], ARGV[2], 'PXAT', ARGV[3])
end
redis.call('DEL', KEYS[1])
return 1
