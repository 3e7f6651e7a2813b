-- Registers a live worker and remembers what its stage can do. Time is Redis' own: a worker whose clock is wrong neither
-- disappears nor stays.
local worker, workers, known = KEYS[1], KEYS[2], KEYS[3]
local request, info = cmsgpack.unpack(ARGV[1]), ARGV[2]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('SET', worker, info, 'PX', request.lapse_ms)
redis.call('ZADD', workers, now + request.lapse_ms, request.member)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now)

redis.call('ZADD', known, now, info)
redis.call('ZREMRANGEBYSCORE', known, '-inf', now - request.memory_ms)
redis.call('ZREMRANGEBYRANK', known, 0, -1 - request.most)
redis.call('PEXPIRE', known, request.memory_ms)
return 'OK'
