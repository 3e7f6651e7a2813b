-- Takes up to `count` jobs of a stage's queue that are due and that nobody holds, and leases them. `held` are the caller's
-- own: should their leases have lapsed, the attempts that it has at work still have to find out. As with arq, a job stays
-- in the queue until it is finished; the lease is what keeps others away. Returns ids and the jobs themselves, in turn.
local queue = KEYS[1]
local request = cmsgpack.unpack(ARGV[1])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken, held = {}, {}
for _, job_id in ipairs(request.held) do held[job_id] = true end
-- What is held stands at the head, one entry for each job at work in the fleet; looking further than this is never needed.
for _, job_id in ipairs(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, request.look_at)) do
  if #taken >= 2 * request.count then break end
  if not held[job_id] and redis.call('SET', request.lease_prefix .. job_id, '1', 'NX', 'PX', request.lease_ms) then
    local job = redis.call('GET', request.job_prefix .. job_id)
    if job then
      taken[#taken + 1] = job_id
      taken[#taken + 1] = job
    else -- it has outlived its task
      redis.call('ZREM', queue, job_id)
      redis.call('DEL', request.lease_prefix .. job_id)
    end
  end
end
return taken
