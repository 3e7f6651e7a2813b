"""Webhooks: a client that has named an address is told there when its task has ended.

The script that ends a task also puts its webhook on the list of those that are due, so none gets lost. Any gateway
takes what is due, for a while in which nobody else does; should it die meanwhile, another takes it up. So a receiver
hears of each end at least once, under the same `webhook-id`. Whatever becomes of it, the task is as it is.
"""

from services.gateway.webhooks.deliverer import Deliverer

__all__ = ["Deliverer"]
