"""What a worker child is given of its node's environment."""

from __future__ import annotations

from app.media.encoding.children import child_environment


def test_a_child_works_on_the_gpu_of_its_node_and_is_given_no_secret() -> None:
    mine = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "3", "LIBVA_DRIVER_NAME": "iHD"}
    secret = {"ENCMAN_LINK_TOKEN": "t", "AWS_SECRET_ACCESS_KEY": "s", "ENCMAN_DATABASE_URL": "postgresql://u:p@h/d"}
    assert child_environment(mine | secret) == mine
