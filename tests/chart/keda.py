"""What KEDA computes from a queue: the length that its scaler reads, and the replicas that follow from it.

The `redis` scaler asks for the TYPE of the key and counts what it holds; one that is not there counts as an empty list.
The replicas are those of a HorizontalPodAutoscaler with an `AverageValue`, between zero and one those of KEDA itself.
"""

import math
from collections.abc import Mapping
from typing import Any

LENGTH = b"""
local count = {zset = "ZCARD", set = "SCARD", hash = "HLEN", list = "LLEN", none = "LLEN"}
return redis.call(count[redis.call("TYPE", KEYS[1]).ok], KEYS[1])
"""


def replicas(length: int, scaler: Mapping[str, Any]) -> int:
    """How many pods a queue of `length` calls for, by the spec of a rendered ScaledObject, once all has settled."""
    (trigger,) = scaler["triggers"]
    low, high = scaler["minReplicaCount"], scaler["maxReplicaCount"]
    if length <= int(trigger["metadata"]["activationListLength"]):
        return low
    wanted = math.ceil(length / int(trigger["metadata"]["listLength"]))
    return min(max(wanted, low, 1), high)
