-- Hands a stage back: the attempt was stopped by its worker's shutdown, which is not the input's fault and does not count.
local task = KEYS[1]
local request = cmsgpack.unpack(ARGV[1])

if redis.call('HGET', task, 'fence:' .. request.stage) ~= tostring(request.token) then return {'SUPERSEDED'} end
redis.call('HINCRBY', task, 'fence:' .. request.stage, 1)
redis.call('HINCRBY', task, 'attempts:' .. request.stage, -1)
return {'OK'}
