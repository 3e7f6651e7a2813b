"""Who is let in, by key or by a signed link, what each may see, and how often each may ask."""

from services.gateway.access.callers import LINK, OPEN, Access, Caller, CallerInjected, caller_of
from services.gateway.access.rate import tell_rate

__all__ = ["LINK", "OPEN", "Access", "Caller", "CallerInjected", "caller_of", "tell_rate"]
