"""The asyncio kit: clock, supervised tasks, plain-data records. Knows no domain word."""
