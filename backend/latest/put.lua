-- KEYS[1] entry, ARGV[1] the nonce it must still have, ARGV[2] its new value, ARGV[3] its life in ms.
if redis.call('GETRANGE', KEYS[1], 0, 7) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 0
