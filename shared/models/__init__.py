"""The models folder, and how models get into it."""
