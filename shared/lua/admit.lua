-- Whether a submission has a chance, before its upload is read. Returns {status, wait_ms}: OK, or what there is no room for.
-- One whose idempotency key is known may stand for a task that is there, and that needs no room.
local request = cmsgpack.unpack(ARGV[1])

if request.once and redis.call('EXISTS', request.once) == 1 then return {'OK', 0} end
local time = redis.call('TIME')
return want_of_room(request.room, time[1] * 1000 + math.floor(time[2] / 1000)) or {'OK', 0}
