"""Requests that the gateway makes because a client has named an address: webhooks, and recordings by URL.

Such a request must not become a door into the network that the gateway is in. So the name is resolved here, each of its
addresses has to be a public one, and the connection goes to the address that was checked; redirects are not followed.
"""

from services.gateway.outbound.addresses import Guard, Refused, Target
from services.gateway.outbound.request import Answer, Unreachable, request

__all__ = ["Answer", "Guard", "Refused", "Target", "Unreachable", "request"]
