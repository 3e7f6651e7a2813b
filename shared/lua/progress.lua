-- Stands in front of scripts that publish events: the progress that a task has told of never falls. How far a step has come
-- is an estimate, and an attempt that goes on behind a dead one knows less than that did.

-- The JSON of an event, whose `progress` is lower than what is `reached`, with that instead. Nothing that a client has
-- written stands in front of it.
local function raised(event, progress, reached)
  if progress >= reached then return event end
  return (string.gsub(event, '"progress":%-?%d+', '"progress":' .. reached, 1))
end
