-- One request of somebody who may make `count` in `period_ms`, refilled evenly (the generic cell rate algorithm): the key
-- holds the time at which the whole allowance is there again. Returns {allowed, wait_ms, left, whole_ms}: wait_ms until the
-- next request fits when this one did not, how many are left at once, and in how long all of them are.
local key = KEYS[1]
local request = cmsgpack.unpack(ARGV[1])

local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local step = request.period_ms / request.count
local whole = math.max(tonumber(redis.call('GET', key) or '0'), now) + step
-- The clock counts in microseconds; sums of fractions miss by less than the hundredth below.
local wait = whole - request.period_ms - now
if wait > 0.01 then return {0, math.ceil(wait), 0, math.ceil(whole - step - now)} end
redis.call('SET', key, string.format('%.3f', whole), 'PX', math.ceil(whole - now))
return {1, 0, math.floor(0.01 - wait / step), math.ceil(whole - now)}
