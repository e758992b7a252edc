-- Marks the record of an app that is configured no more, with the time; drops it where that was done a day ago. Whoever has
-- the app configured takes the mark away with the first lease it asks for, so what another replica works with is never dropped.
-- KEYS: record, lease, damaged. ARGV: app, channel, ms for which it is kept. 0: let be, 1: marked, 2: dropped.
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local gone = redis.call('HGET', KEYS[1], 'gone')
gone = gone and #gone == 20 and tonumber(gone) or nil
if not gone then
  redis.call('HSET', KEYS[1], 'gone', string.format('%020.0f', now))
  return 1
end
if now - gone < tonumber(ARGV[3]) then return 1 end
redis.call('DEL', KEYS[1], KEYS[3])
return 2
