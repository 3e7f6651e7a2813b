-- Begins an attempt of a stage. The fence token is raised at every claim, so that the attempt before is shut out from
-- here on. It is the time, unless that is not later than the last: a Redis that has lost the latest claims in a failover
-- gives none of their tokens again.
-- Returns {status, ...}: OK with what the attempt needs; GONE, CLOSED, ENDED or EXHAUSTED when there is nothing to do.
-- The last two of OK and EXHAUSTED are token and claimant of the attempt before, when that neither ended nor was handed
-- back: its worker fell silent. Otherwise they are 0 and empty. An attempt is told as lost to one claimant alone.
-- Called again by the same claimant, whose reply was lost, it is the same attempt, and the reply is the same.
local task, out, watch = KEYS[1], KEYS[2], KEYS[3]
local request = cmsgpack.unpack(ARGV[1])
local stage = request.stage

local fields = redis.call('HMGET', task, 'state', 'ended:' .. stage, 'claimant:' .. stage, 'fence:' .. stage,
  'attempts:' .. stage, 'lost:' .. stage, 'exhausted:' .. stage)
local state = fields[1]
if not state then return {'GONE'} end
if state ~= 'queued' and state ~= 'running' then return {'CLOSED', state} end
if fields[2] then return {'ENDED'} end

local claimant, token, attempt = fields[3], tonumber(fields[4] or '0'), tonumber(fields[5] or '0')
local lost, exhausted = fields[6] or '', fields[7] == '1'
local repeated = claimant == request.claimant
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not repeated then
  -- Whoever was told EXHAUSTED has begun no attempt. When it dies before it has ended the task, none is lost.
  lost = claimant and not exhausted and token .. ' ' .. claimant or ''
  if lost ~= '' then keep(task, now, {what = 'lost', stage = stage}) end
  token = math.max(token + 1, now)
  exhausted = attempt >= request.max_attempts
  if not exhausted then attempt = attempt + 1 end
  redis.call('HSET', task, 'fence:' .. stage, token, 'claimant:' .. stage, request.claimant, 'changes:' .. stage, 0,
    'attempts:' .. stage, attempt, 'lost:' .. stage, lost, 'exhausted:' .. stage, exhausted and '1' or '0')
end
local lost_token, lost_claimant = string.match(lost, '^(%d+) (.*)$')
lost_token, lost_claimant = tonumber(lost_token or '0'), lost_claimant or ''
if exhausted then return {'EXHAUSTED', token, attempt, lost_token, lost_claimant} end
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

local facts = redis.call('HMGET', task, 'route', 'options', 'blob', 'duration', 'turn',
  'published:' .. stage, 'queued:' .. stage, 'created')
return {'OK', token, attempt, now, tail, facts[1], facts[2], facts[3], facts[4], facts[5], facts[6] or '0',
  facts[7] or '0', facts[8], lost_token, lost_claimant}
