"""How models are run: on which thread, how much at once, for several tasks together."""
