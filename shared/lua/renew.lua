-- A sign of life: keeps the attempt's lease, if the attempt still holds its claim and the task still runs.
local task, job, lease, watch = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local request = cmsgpack.unpack(ARGV[1])

local fields = redis.call('HMGET', task, 'state', 'fence:' .. request.stage, 'ended:' .. request.stage)
if not fields[1] then return {'GONE'} end
if fields[2] ~= tostring(request.token) then return {'SUPERSEDED'} end
if fields[1] ~= 'running' then return {'CLOSED', fields[1]} end
if fields[3] then return {'OK'} end -- the stage has just ended, and its lease went with its job

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', lease, request.token, 'PX', request.lease_ms)
redis.call('PEXPIRE', task, request.ttl_ms)
redis.call('PEXPIRE', job, request.ttl_ms)
redis.call('ZADD', watch, now + request.wait_ms, request.task_id)
return {'OK'}
