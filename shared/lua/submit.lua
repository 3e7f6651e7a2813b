-- Creates a task, whole or not at all: its record, its input if it starts with text, and the job of its first stage.
-- Returns 'OK', or 'EXISTS' when the task is there already (a retried call whose reply was lost).
local task, source, watch, queue, job = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local request, job_bytes = cmsgpack.unpack(ARGV[1]), ARGV[2]

if redis.call('EXISTS', task) == 1 then return 'EXISTS' end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('HSET', task,
  'state', 'queued', 'step', 'queued', 'progress', 0, 'turn', 0, 'created', now,
  'route', request.route, 'options', request.options, 'blob', request.blob, 'name', request.name,
  'duration', request.duration, 'queued:' .. request.stage, now)
redis.call('PEXPIRE', task, request.ttl_ms)

local records = #ARGV - 2
for number = 1, records do
  redis.call('XADD', source, number .. '-0', 'record', ARGV[number + 2])
end
if records > 0 then
  redis.call('HSET', task, 'ended:source', records - 1)
  redis.call('PEXPIRE', source, request.ttl_ms)
end

redis.call('ZADD', watch, now + request.wait_ms, request.task_id)
redis.call('SET', job, job_bytes, 'PX', request.ttl_ms)
redis.call('ZADD', queue, now, request.job_id)
redis.call('PUBLISH', request.wake, 'job:' .. request.task_id)
return 'OK'
