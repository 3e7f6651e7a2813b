"""The stage runner: what turns the four parts of a stage into a worker process that loses nothing."""
