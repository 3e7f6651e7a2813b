"""From a request to a task: the form as it arrives, the options in it, its content, and room in the queues."""

from services.gateway.intake.intake import Accepted, Intake

__all__ = ["Accepted", "Intake"]
