-- Stands in front of scripts that begin or end something in a task's life: `keep` writes down the moment, as a line of JSON in
-- the task's record, so that it lives exactly as long. What is known from other fields is not kept a second time.
-- A task that is handed back without end must not grow without end: of a long life the first and the latest moments are
-- kept, and between them a line that says how many are missing.
local MOST_BYTES, FIRST_BYTES, SPARE_BYTES = 16384, 6144, 4096 -- some two hundred moments

-- The trail with less of its middle. It is called anew after some fifty moments, so it may cost something.
local function shortened(trail, stage)
  local head = string.find(trail, '\n', FIRST_BYTES, true)
  local tail = string.find(trail, '\n', FIRST_BYTES + SPARE_BYTES, true)
  local since, missing = nil, 0
  for line in string.gmatch(string.sub(trail, head + 1, tail), '[^\n]+') do
    local moment = cjson.decode(line) -- the first may be the line of the time before
    since, missing = since or moment.at, missing + (moment.count or 1)
  end
  local gap = string.format('{"what":"omitted","stage":"%s","at":%.0f,"count":%d}\n', stage, since, missing)
  return string.sub(trail, 1, head) .. gap .. string.sub(trail, tail + 1)
end

local function keep(task, now, moment)
  local trail = redis.call('HGET', task, 'trail') or ''
  if #trail > MOST_BYTES then trail = shortened(trail, moment.stage) end
  moment.at = now
  redis.call('HSET', task, 'trail', trail .. cjson.encode(moment) .. '\n')
end
