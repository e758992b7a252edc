-- Writes a record, unless its fence or a generation is older than what is held. Numbers are padded, and compared as texts:
-- they may be larger than what a Lua number holds.
-- KEYS: record. ARGV: app, channel, newest version the writer knows of, late mint it has been shown (or ''), epoch, number,
-- three generations, sealed body.
local function answer(what)
  return {what, 0, redis.call('HMGET', KEYS[1], 'e', 'n', 'v', 'late', 'le', 'ln', 'g0', 'g1', 'g2', 'b')}
end

local row = redis.call('HMGET', KEYS[1], 'e', 'n', 'v', 'late', 'g0', 'g1', 'g2', 'life')
-- What was granted in another life is void, as in lease.lua: a failover may have lost a newer grant, and then the fences alone
-- would let its former holder write.
local life = this_life()
if life ~= ':' and row[8] ~= life then return answer('void') end
if not row[1] or ARGV[5] .. ARGV[6] < row[1] .. row[2] then return answer('stale') end
for kind = 0, 2 do
  local held = row[5 + kind]
  if held and ARGV[7 + kind] < held then return answer('stale') end
end

local version = padded(math.max(whole(row[3]) or 0, tonumber(ARGV[3])) + 1)
redis.call('HSET', KEYS[1], 'e', ARGV[5], 'n', ARGV[6], 'v', version, 'le', ARGV[5], 'ln', ARGV[6],
  'g0', ARGV[7], 'g1', ARGV[8], 'g2', ARGV[9], 'b', ARGV[10])
redis.call('HDEL', KEYS[1], 'gone')
if row[4] and row[4] <= ARGV[4] then redis.call('HDEL', KEYS[1], 'late') end
redis.call('PUBLISH', ARGV[2], ARGV[1] .. ' ' .. version)
return {'done', tonumber(version), {}} -- the rest is what was sent
