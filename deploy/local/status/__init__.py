"""`voxmesh status`: queues, workers, leases and rates of a mesh, as its gateway tells them."""
