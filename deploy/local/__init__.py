"""The whole mesh on one machine: the command `voxmesh`, the embedded Redis, the demo."""
