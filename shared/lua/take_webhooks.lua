-- Takes up to `count` webhooks that are due, and puts each off by `lease_ms`: so long they are the caller's. Returns the
-- time until which that is so, which is the caller's token, and the ids of their tasks.
local due = KEYS[1]
local request = cmsgpack.unpack(ARGV[1])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local token = now + request.lease_ms
local taken = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, request.count)
for _, task_id in ipairs(taken) do redis.call('ZADD', due, token, task_id) end
return {token, taken}
