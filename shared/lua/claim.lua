-- Begins an attempt of a stage. The fence token is raised at every claim, so that the attempt before is shut out from
-- here on. It is the time, unless that is not later than the last: a Redis that has lost the latest claims in a failover
-- gives none of their tokens again.
-- Returns {status, ...}: OK with what the attempt needs; GONE, CLOSED, ENDED or EXHAUSTED when there is nothing to do.
-- The last two of OK and EXHAUSTED are token and claimant of the attempt before, when that neither ended nor was handed
-- back: its worker fell silent. Otherwise they are 0 and empty.
-- Called again by the same claimant, whose reply was lost, it is the same attempt.
local task, out, watch = KEYS[1], KEYS[2], KEYS[3]
local request = cmsgpack.unpack(ARGV[1])
local stage = request.stage

local state = redis.call('HGET', task, 'state')
if not state then return {'GONE'} end
if state ~= 'queued' and state ~= 'running' then return {'CLOSED', state} end
if redis.call('HEXISTS', task, 'ended:' .. stage) == 1 then return {'ENDED'} end

local claimant = redis.call('HGET', task, 'claimant:' .. stage)
local repeated = claimant == request.claimant
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local token = tonumber(redis.call('HGET', task, 'fence:' .. stage) or '0')
local lost_token, lost_claimant = 0, ''
if not repeated then
  if claimant then
    lost_token, lost_claimant = token, claimant
    keep(task, now, {what = 'lost', stage = stage})
  end
  token = math.max(token + 1, now)
  redis.call('HSET', task, 'fence:' .. stage, token, 'claimant:' .. stage, request.claimant, 'changes:' .. stage, 0)
end
local attempt = redis.call('HINCRBY', task, 'attempts:' .. stage, repeated and 0 or 1)
if attempt > request.max_attempts then return {'EXHAUSTED', token, attempt, lost_token, lost_claimant} end
if not repeated then
  local worker = string.match(request.claimant, '^[^/]*')
  keep(task, now, {what = 'begun', stage = stage, attempt = attempt, worker = worker})
end

redis.call('HSET', task, 'state', 'running')
redis.call('HSETNX', task, 'claimed:' .. stage, now)
redis.call('PEXPIRE', task, request.ttl_ms)
redis.call('ZADD', watch, now + request.wait_ms, request.task_id)

local tail = 0
local last = redis.call('XREVRANGE', out, '+', '-', 'COUNT', 1)
if #last > 0 then tail = tonumber(string.match(last[1][1], '^%d+')) end

local fields = redis.call('HMGET', task, 'route', 'options', 'blob', 'duration', 'turn',
  'published:' .. stage, 'queued:' .. stage, 'created')
return {'OK', token, attempt, now, tail, fields[1], fields[2], fields[3], fields[4], fields[5], fields[6] or '0',
  fields[7] or '0', fields[8], lost_token, lost_claimant}
