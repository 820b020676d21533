"""The face for those who embed the system in an aiohttp application of their own."""
