"""Chooses and reserves encoders over one snapshot of the fleet."""

from __future__ import annotations

from app.domain.fleet import BalancerView


class LoadBalancer:
    def view(self) -> BalancerView:
        raise NotImplementedError
