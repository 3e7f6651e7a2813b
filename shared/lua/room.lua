-- Comes before `admit` and `submit`: why there is no room for one more task, or nil when there is. The reason is {name,
-- wait_ms}, wait_ms 0 where nobody can know when there will be. Limits of 0 are none.
-- An owner's unfinished tasks are a set of ids. Who has ended is taken out of it when it is full, and only then: so it needs
-- no hand in the many ways in which tasks end, and cannot miss one.
local function want_of_room(room, now)
  for _, queue in ipairs(room.queues) do
    if room.queue > 0 and redis.call('ZCARD', queue) >= room.queue then return {'QUEUE', 0} end
  end
  if room.tasks > 0 and redis.call('SCARD', room.unfinished) >= room.tasks then
    for _, task_id in ipairs(redis.call('SMEMBERS', room.unfinished)) do
      local state = redis.call('HGET', string.format(room.task_key, task_id), 'state')
      if state ~= 'queued' and state ~= 'running' then redis.call('SREM', room.unfinished, task_id) end
    end
    if redis.call('SCARD', room.unfinished) >= room.tasks then return {'TASKS', 0} end
  end
  if room.audio_seconds > 0 and room.seconds > 0 then
    local day = math.floor(now / 86400000)
    local heard = tonumber(redis.call('GET', string.format(room.heard, day)) or '0')
    if heard + room.seconds > room.audio_seconds then return {'AUDIO', (day + 1) * 86400000 - now} end
  end
end

-- One more task is there.
local function take_room(room, now, task_id, ttl_ms)
  if room.tasks > 0 then
    redis.call('SADD', room.unfinished, task_id)
    redis.call('PEXPIRE', room.unfinished, ttl_ms)
  end
  if room.audio_seconds > 0 and room.seconds > 0 then
    local day = math.floor(now / 86400000)
    local heard = string.format(room.heard, day)
    -- Not INCRBYFLOAT: it lengthens its own arguments, upon which Redis 6.2 with the allocator of libc, the embedded one, lets
    -- a later call of a script write behind the end of them (redis/redis#11652).
    local sum = tonumber(redis.call('GET', heard) or '0') + room.seconds
    redis.call('SET', heard, string.format('%.17g', sum))
    redis.call('PEXPIREAT', heard, (day + 2) * 86400000)
  end
end

