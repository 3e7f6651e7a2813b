-- The one way in which a stage changes its task: records, events, end, result and the job of the next stage, all or none.
-- With the end of the stage its own job leaves the queue.
-- Calling it again with the same request changes nothing, so a caller that lost the reply may simply repeat it.
-- An attempt numbers its changes. One that does not follow the last that is here is refused with ROLLED_BACK: a Redis that
-- failed over, or was restored, has lost the changes between.
-- Returns {status, due, total, refused}: status OK, or why nothing was done; due is 1 when the stages before have ended,
-- so that events of this one are published; total is the number of segments of the stage before (-1: not known yet);
-- refused counts records that were there already.
local task, events, out, result, watch = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local queue, job, lease, next_queue, next_job = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local webhooks = KEYS[11]
local request, job_bytes = cmsgpack.unpack(ARGV[1]), ARGV[2]
local records = #ARGV - 2
local stage = request.stage

local fields = redis.call('HMGET', task, 'state', 'fence:' .. stage, 'turn', 'published:' .. stage,
  'ended:' .. request.before, 'events', 'reply', 'changes:' .. stage, 'progress')
local state = fields[1]
if not state then return {'GONE'} end
if fields[2] ~= tostring(request.token) then return {'SUPERSEDED'} end
if redis.call('HEXISTS', task, 'ended:' .. stage) == 1 then return {'OK', 1, -1, records} end
if state ~= 'running' then return {'CLOSED', state} end
local changes = tonumber(fields[8] or '0')
if request.number > changes + 1 then return {'ROLLED_BACK'} end
redis.call('HSET', task, 'changes:' .. stage, math.max(changes, request.number))

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local refused = 0
for offset = 1, records do
  local reply = redis.pcall('XADD', out, (request.first + offset - 1) .. '-0', 'record', ARGV[offset + 2])
  if type(reply) == 'table' and reply.err then
    if not string.find(reply.err, 'equal or smaller') then return reply end
    refused = refused + 1
  end
end

if request.opens and request.number > changes then keep(task, now, {what = 'first_record', stage = stage}) end

local due = tonumber(fields[3]) == request.position
if due then
  local published = tonumber(fields[4] or '0')
  local count = tonumber(fields[6] or '0')
  local reached, shown = tonumber(fields[9]), nil
  for _, event in ipairs(request.events) do
    local fresh
    if event.record > 0 then
      fresh = event.record > published
      if fresh then published = event.record end
    else
      fresh = redis.call('HSETNX', task, 'said:' .. event.step, now) == 1
    end
    if fresh then
      count = count + 1
      local data = raised(event.data, event.progress, reached)
      local logged = event.logged and raised(event.logged, event.progress, reached) or data
      redis.call('XADD', events, count .. '-0', 'event', logged)
      redis.call('PUBLISH', request.channel, '{"id":"' .. count .. '-0",' .. string.sub(data, 2))
      reached, shown = math.max(reached, event.progress), event
    end
  end
  if shown then
    redis.call('HSET', task, 'events', count, 'published:' .. stage, published,
      'step', shown.step, 'progress', reached)
  end
end

if request.ends then
  if not due then return redis.error_reply('stage ' .. stage .. ' ended before its turn') end
  redis.call('HSET', task, 'ended:' .. stage, request.segments, 'turn', request.position + 1)
  keep(task, now, {what = 'ended', stage = stage})
  redis.call('ZREM', queue, request.job_id)
  redis.call('DEL', job, lease)
end

if request.next then
  if records > 0 and redis.call('HSETNX', task, 'queued:' .. request.next.stage, now) == 1 then
    keep(task, now, {what = 'queued', stage = request.next.stage})
    redis.call('SET', next_job, job_bytes, 'PX', request.ttl_ms)
    redis.call('ZADD', next_queue, now, request.next.job_id)
    redis.call('PUBLISH', request.next.wake, 'job:' .. request.task_id)
  elseif records > 0 then
    redis.call('PUBLISH', request.next.wake, 'record:' .. request.task_id)
  end
end

if fields[7] and (records > 0 or request.ends) then redis.call('PUBLISH', fields[7], 'record:' .. request.task_id) end

redis.call('PEXPIRE', task, request.ttl_ms)
redis.call('PEXPIRE', events, request.ttl_ms)
redis.call('PEXPIRE', out, request.ttl_ms)
if request.result then
  redis.call('HSET', task, 'state', 'completed', 'finished', now)
  redis.call('SET', result, request.result, 'PX', request.ttl_ms)
  redis.call('ZREM', watch, request.task_id)
  if redis.call('HEXISTS', task, 'webhook') == 1 then redis.call('ZADD', webhooks, now, request.task_id) end
else
  redis.call('ZADD', watch, now + request.wait_ms, request.task_id)
end
return {'OK', due and 1 or 0, tonumber(fields[5] or '-1'), refused}
