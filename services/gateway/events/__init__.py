"""From Redis to the clients that watch: one subscription for all of them, the log for what was missed, and the streams.

The endpoints are in `services/gateway/streams.py`; what is in here knows no request.
"""
