"""The whole system as a newcomer runs it: real processes, real video, real peers."""
