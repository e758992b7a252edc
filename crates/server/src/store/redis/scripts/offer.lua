-- Puts what a replica has kept in memory into a record that began a new epoch: as long as offers are waited for, and on until
-- somebody is given the lease. The replica has merged it with the version it names.
-- KEYS: record. ARGV: app, channel, epoch, version, three generations, sealed body.
local function answer(what)
  return {what, 0, redis.call('HMGET', KEYS[1], 'e', 'n', 'v', 'late', 'le', 'ln', 'g0', 'g1', 'g2', 'b')}
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local row = redis.call('HMGET', KEYS[1], 'e', 'n', 'v', 'merge')
local is_open = tonumber(row[4] or '0') > now or tonumber(row[2] or '1') == 0
if row[1] ~= ARGV[3] or not is_open then return answer('closed') end
if row[3] ~= ARGV[4] then return answer('again') end

local version = string.format('%020.0f', tonumber(row[3]) + 1)
redis.call('HSET', KEYS[1], 'v', version, 'le', row[1], 'ln', row[2],
  'g0', ARGV[5], 'g1', ARGV[6], 'g2', ARGV[7], 'b', ARGV[8])
redis.call('PUBLISH', ARGV[2], ARGV[1] .. ' ' .. version)
return {'done', tonumber(version), {}} -- the rest is what was sent
