-- Ends a task without a result: failed, cancelled or expired. A task ends once, whoever asks how often.
-- With a token, only the attempt that holds the claim may do it; with `overdue`, only if no sign of life came meanwhile.
-- The event comes with progress -1 and is published with the progress as it stood. No job of the task is left in any
-- queue; an attempt that is at work finds out at its next commit or renewal.
-- KEYS[5] and on are queue, job and lease of each stage, in the order of `jobs`, their ids.
local task, events, watch, webhooks = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local request = cmsgpack.unpack(ARGV[1])

local state = redis.call('HGET', task, 'state')
if not state then
  redis.call('ZREM', watch, request.task_id)
  return {'GONE'}
end
if state ~= 'queued' and state ~= 'running' then return {'CLOSED', state} end
if request.token and redis.call('HGET', task, 'fence:' .. request.stage) ~= tostring(request.token) then
  return {'SUPERSEDED'}
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if request.overdue and tonumber(redis.call('ZSCORE', watch, request.task_id) or '0') > now then return {'ALIVE'} end

local count = redis.call('HINCRBY', task, 'events', 1)
local progress = redis.call('HGET', task, 'progress')
local event = raised(request.event, -1, tonumber(progress))
redis.call('XADD', events, count .. '-0', 'event', event)
redis.call('PUBLISH', request.channel, '{"id":"' .. count .. '-0",' .. string.sub(event, 2))
redis.call('HSET', task, 'state', request.state, 'step', request.state, 'finished', now, 'error', request.error)
redis.call('ZREM', watch, request.task_id)
if redis.call('HEXISTS', task, 'webhook') == 1 then redis.call('ZADD', webhooks, now, request.task_id) end
local reply = redis.call('HGET', task, 'reply')
if reply then redis.call('PUBLISH', reply, 'record:' .. request.task_id) end
for place, job_id in ipairs(request.jobs) do
  local queue = 3 * place + 2
  redis.call('ZREM', KEYS[queue], job_id)
  redis.call('DEL', KEYS[queue + 1], KEYS[queue + 2])
end
redis.call('PEXPIRE', task, request.ttl_ms)
redis.call('PEXPIRE', events, request.ttl_ms)
return {'OK'}
