-- KEYS[1] entry, ARGV[1] nonce for a new one, ARGV[2] its life in ms.
-- Returns the entry, and Redis's clock in seconds and microseconds.
local value = redis.call('GET', KEYS[1])
local now = redis.call('TIME')
if not value then
  value = ARGV[1]
  redis.call('SET', KEYS[1], value, 'PX', ARGV[2])
end
return {value, tonumber(now[1]), tonumber(now[2])}
