"""The gateway's doors: RTMP for publishers, workers and viewers; HTTP for HLS, HTTP-FLV, health and metrics."""
