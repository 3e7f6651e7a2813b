-- Writes down one attempt to deliver a webhook, and when the next one is due; without `retry_ms` there is none. Returns OK;
-- SUPERSEDED when it was no longer the caller's, and GONE when the task has expired: then nothing is written.
local task, due = KEYS[1], KEYS[2]
local request = cmsgpack.unpack(ARGV[1])

if redis.call('ZSCORE', due, request.task_id) ~= tostring(request.token) then return {'SUPERSEDED'} end
if redis.call('EXISTS', task) == 0 then
  redis.call('ZREM', due, request.task_id)
  return {'GONE'}
end
local log = redis.call('HGET', task, 'webhook_log')
redis.call('HSET', task, 'webhook_state', request.state,
  'webhook_log', log and log .. '\n' .. request.attempt or request.attempt)
if request.retry_ms then
  local time = redis.call('TIME')
  redis.call('ZADD', due, time[1] * 1000 + math.floor(time[2] / 1000) + request.retry_ms, request.task_id)
else
  redis.call('ZREM', due, request.task_id)
end
return {'OK'}
