"""The Helm chart, as the real helm renders it."""
