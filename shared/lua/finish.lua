-- Takes a stage's job off its queue if nothing is left to do: the stage or its task has ended, or the task is gone.
-- Otherwise another attempt has taken over, and the job is what brings the next one when that dies.
local task, queue, job, lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local request = cmsgpack.unpack(ARGV[1])

local fields = redis.call('HMGET', task, 'state', 'ended:' .. request.stage)
local state = fields[1]
if (state == 'queued' or state == 'running') and not fields[2] then return {'NEEDED'} end
redis.call('ZREM', queue, request.job_id)
redis.call('DEL', job, lease)
return {'OK'}
