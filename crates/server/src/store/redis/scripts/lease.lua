-- Begins a new epoch where Redis has begun a new life, or has lost what the asker knows of; then takes the lease if nobody
-- else has it. This machine's clock may be set at any time, so no wait is longer than it was when it began.
-- KEYS: record, lease. ARGV: app, channel, holder, ms to hold (0: only look), newest epoch or version the asker knows of,
-- ms for which the replicas may offer what they hold, ms that a lease lives at most.
local life = this_life()
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local row = redis.call('HMGET', KEYS[1], 'e', 'n', 'v', 'life', 'merge', 'gone')
local e, n, v, merge = row[1], row[2], whole(row[3]) or 0, whole(row[5]) or 0
local known, offers = tonumber(ARGV[5]), tonumber(ARGV[6])

-- A body that was set aside took the life with it.
if not whole(e) or not whole(n) or not row[4] or known > v or (life ~= ':' and row[4] ~= life) then
  local newest = math.max(whole(e) or 0, v, known)
  e, n, merge = padded(math.max(now, newest + 1)), padded(0), now + offers
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'e', e, 'n', n, 'v', e, 'life', life, 'merge', padded(merge))
  redis.call('PUBLISH', ARGV[2], ARGV[1] .. ' ' .. e .. ' epoch')
end

if row[6] then redis.call('HDEL', KEYS[1], 'gone') end -- somebody has the app configured

local function answer(what, ms)
  return {what, ms, redis.call('HMGET', KEYS[1], 'e', 'n', 'v', 'late', 'le', 'ln', 'g0', 'g1', 'g2', 'b')}
end

-- Until the first lease is given.
if tonumber(n) == 0 and merge > now then
  if merge > now + offers then
    merge = now + offers
    redis.call('HSET', KEYS[1], 'merge', padded(merge))
  end
  if merge > now then return answer('offers', merge - now) end
end
if ARGV[4] == '0' then return answer('look', 0) end

local held = redis.call('GET', KEYS[2])
-- "HOLDER EPOCH NUMBER": the holder is all but the last 42 bytes.
if held and string.sub(held, 1, -43) ~= ARGV[3] then
  local left, most = redis.call('PTTL', KEYS[2]), tonumber(ARGV[7])
  if left > most then
    left = most
    redis.call('PEXPIRE', KEYS[2], left)
  end
  if left > 0 then return {'taken', left, {}} end
end
-- Until a holder has written: the answer to who was given the first lease may have been lost. An offer's number is zero.
local by = redis.call('HMGET', KEYS[1], 'le', 'ln')
local is_unwritten = (by[1] ~= e or (whole(by[2]) or 0) == 0) and 1 or 0
-- By the clock, too: where a grant was lost unnoticed, its number is not given to somebody else.
n = padded(math.max(tonumber(n) + 1, now))
redis.call('HSET', KEYS[1], 'n', n)
redis.call('SET', KEYS[2], ARGV[3] .. ' ' .. e .. ' ' .. n, 'PX', ARGV[4])
return answer('won', is_unwritten)
