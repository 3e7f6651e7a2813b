-- Hands a stage back to its queue, where it is due after `delay_ms`. Only the attempt that holds the claim may do it.
-- A task or a stage that has ended has no job any more, and gets none.
-- One that is forgiven does not count: it was stopped by its worker's shutdown, which is not the input's fault.
local task, queue, lease = KEYS[1], KEYS[2], KEYS[3]
local request = cmsgpack.unpack(ARGV[1])

local fields = redis.call('HMGET', task, 'state', 'fence:' .. request.stage, 'ended:' .. request.stage)
if fields[2] ~= tostring(request.token) then return {'SUPERSEDED'} end
if fields[1] ~= 'running' or fields[3] then return {'CLOSED'} end
redis.call('HINCRBY', task, 'fence:' .. request.stage, 1)
redis.call('HDEL', task, 'claimant:' .. request.stage)
if request.forgiven then redis.call('HINCRBY', task, 'attempts:' .. request.stage, -1) end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', queue, now + request.delay_ms, request.job_id)
redis.call('HSET', task, 'queued:' .. request.stage, now + request.delay_ms)
keep(task, now, {what = request.why, stage = request.stage, code = request.code, delay_ms = request.delay_ms})
redis.call('DEL', lease)
if request.delay_ms == 0 then redis.call('PUBLISH', request.wake, 'job:' .. request.task_id) end
return {'OK'}
