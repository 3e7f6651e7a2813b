"""What two or more services of the mesh use: messages, keys, scripts, the stage runner, settings, logs and metrics."""
