"""The web page at `/`: what a browser loads lies in `public/`, what serves it in `serving`."""

from services.gateway.page.serving import HANDLERS

__all__ = ["HANDLERS"]
