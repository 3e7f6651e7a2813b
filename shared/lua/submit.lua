-- Creates a task, whole or not at all: its record, its input if it starts with text, and the job of its first stage.
-- Returns {status, task_id}: OK with the task that is there now. That is the earlier one when the client has sent the
-- same under the same key before; with another body under that key it is REUSED, and nothing has changed. Neither has it
-- when there is no room: then {status, wait_ms} says for what.
local task, source, watch, queue, job, tombstone, list, once = unpack(KEYS)
local request, job_bytes = cmsgpack.unpack(ARGV[1]), ARGV[2]

if redis.call('EXISTS', task) == 1 then return {'OK', request.task_id} end -- a retried call whose reply was lost

if once then
  local earlier = redis.call('HMGET', once, 'task_id', 'body')
  if earlier[1] and redis.call('EXISTS', string.format(request.task_key, earlier[1])) == 1 then
    return {earlier[2] == request.body and 'OK' or 'REUSED', earlier[1]}
  end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local want = want_of_room(request.room, now)
if want then return want end
take_room(request.room, now, request.task_id, request.ttl_ms + request.tombstone_ms)

if once then
  redis.call('HSET', once, 'task_id', request.task_id, 'body', request.body)
  redis.call('PEXPIRE', once, request.ttl_ms)
end

redis.call('HSET', task,
  'state', 'queued', 'step', 'queued', 'progress', 0, 'turn', 0, 'created', now,
  'route', request.route, 'options', request.options, 'blob', request.blob, 'name', request.name,
  'duration', request.duration, 'owner', request.owner, 'queued:' .. request.stage, now)
if request.traceparent ~= '' then redis.call('HSET', task, 'traceparent', request.traceparent) end
if request.webhook ~= '' then redis.call('HSET', task, 'webhook', request.webhook) end
redis.call('PEXPIRE', task, request.ttl_ms)

local records = #ARGV - 2
for number = 1, records do
  redis.call('XADD', source, number .. '-0', 'record', ARGV[number + 2])
end
if records > 0 then
  redis.call('HSET', task, 'ended:source', records - 1)
  redis.call('PEXPIRE', source, request.ttl_ms)
end

if request.reply ~= '' then
  redis.call('HSET', task, 'reply', request.reply) -- a direct call: nobody but its caller knows of it
else
  redis.call('SET', tombstone, request.owner, 'PX', request.ttl_ms + request.tombstone_ms)
  -- The list: each place is later than the one before, so that it can serve as a cursor. For each task that comes in, up to
  -- eight that have expired go out.
  local place = time[1] * 1000000 + time[2]
  local newest = redis.call('ZREVRANGE', list, 0, 0, 'WITHSCORES')
  if newest[2] then place = math.max(place, tonumber(newest[2]) + 1) end
  redis.call('ZADD', list, place, request.task_id)
  redis.call('PEXPIRE', list, request.ttl_ms + request.tombstone_ms)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', list, '-inf', place - request.ttl_ms * 1000, 'LIMIT', 0, 8)) do
    if redis.call('EXISTS', string.format(request.task_key, old)) == 0 then redis.call('ZREM', list, old) end
  end
end

redis.call('ZADD', watch, now + request.wait_ms, request.task_id)
redis.call('SET', job, job_bytes, 'PX', request.ttl_ms)
redis.call('ZADD', queue, now, request.job_id)
redis.call('PUBLISH', request.wake, 'job:' .. request.task_id)
return {'OK', request.task_id}
