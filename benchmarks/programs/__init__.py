"""Programs that a subject starts for each of its sides, so that each has a process of its own."""
