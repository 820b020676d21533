"""Regular work at times of the wall clock: APScheduler."""
