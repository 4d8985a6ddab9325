-- KEYS[1] since when and until when was counted, by Redis's clock, in seconds.
-- KEYS[1]:<hour since 1970> the users of an hour; there from its first call on, if only empty.
-- ARGV[1] how many hours count, ARGV[2] the longest silence, in seconds, ARGV[3] whether to count, then users.
-- Returns the number of users, and for how long was counted without a gap, in seconds.
local now = tonumber(redis.call('TIME')[1])
local function key(at) return KEYS[1] .. ':' .. math.floor(at / 3600) end

local since, last = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
since, last = tonumber(since), tonumber(last)
local whole = since ~= nil and math.abs(now - last) <= tonumber(ARGV[2])
if whole then
  -- An hour that is gone was evicted, or forgotten in a fail-over. Its users are not known any more.
  local at = math.max(since, now - (ARGV[1] - 1) * 3600)
  while whole and math.floor(at / 3600) <= math.floor(last / 3600) do
    whole = redis.call('EXISTS', key(at)) == 1
    at = at + 3600
  end
end
if not whole then since = now end

local life = (ARGV[1] + 1) * 3600
redis.call('PFADD', key(now), unpack(ARGV, 4))
redis.call('EXPIRE', key(now), life)
redis.call('SET', KEYS[1], since .. ' ' .. now, 'EX', life)
if ARGV[3] ~= '1' then return {0, 0} end
local keys = {}
for i = 0, ARGV[1] - 1 do keys[i + 1] = key(now - i * 3600) end
return {redis.call('PFCOUNT', unpack(keys)), now - since}
