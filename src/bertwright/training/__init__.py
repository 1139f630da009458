"""The loop, and what keeps a run going: optimizer, schedule, snapshots, log, device."""
