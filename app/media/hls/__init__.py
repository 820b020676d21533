"""HLS: cuts the programme into CMAF segments and writes the playlists. Pure; serving is the door's business."""
