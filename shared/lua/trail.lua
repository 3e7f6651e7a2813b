-- Stands in front of scripts that begin or end something in a task's life: `keep` writes down the moment, as a line of JSON in
-- the task's record, so that it lives exactly as long. What is known from other fields is not kept a second time.
local MOST_BYTES = 16384 -- some two hundred moments; a task that is handed back without end must not grow without end

local function keep(task, now, moment)
  local trail = redis.call('HGET', task, 'trail') or ''
  if #trail > MOST_BYTES then return end
  moment.at = now
  redis.call('HSET', task, 'trail', trail .. cjson.encode(moment) .. '\n')
end
