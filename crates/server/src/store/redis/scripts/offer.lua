-- Puts what a replica has kept in memory into a record that began a new epoch: until somebody is given the
-- lease. The replica has merged it with the version it names.
-- KEYS: record. ARGV: app, channel, epoch, version, three generations, sealed body.
local function answer(what)
  return {what, 0, redis.call('HMGET', KEYS[1], 'e', 'n', 'v', 'late', 'le', 'ln', 'g0', 'g1', 'g2', 'b')}
end

local row = redis.call('HMGET', KEYS[1], 'e', 'n', 'v')
if row[1] ~= ARGV[3] or whole(row[2]) ~= 0 then return answer('closed') end
if row[3] ~= ARGV[4] then return answer('again') end

local version = padded((whole(row[3]) or 0) + 1)
redis.call('HSET', KEYS[1], 'v', version, 'le', row[1], 'ln', row[2],
  'g0', ARGV[5], 'g1', ARGV[6], 'g2', ARGV[7], 'b', ARGV[8])
redis.call('PUBLISH', ARGV[2], ARGV[1] .. ' ' .. version)
return {'done', tonumber(version), {}} -- the rest is what was sent
