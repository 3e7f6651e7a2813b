"""Small real classes that stand in for the mesh in tests."""
