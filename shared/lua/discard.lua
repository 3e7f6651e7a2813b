-- Removes a task with all that belongs to it, once its caller has what it wanted of it or wants no more. An attempt that is
-- still at work finds it gone and stops.
local watch, queue = KEYS[1], KEYS[2]
local request = cmsgpack.unpack(ARGV[1])

redis.call('ZREM', watch, request.task_id)
redis.call('ZREM', queue, request.job_id)
for place = 3, #KEYS do redis.call('DEL', KEYS[place]) end
return {'OK'}
