"""Attacks on the service, by topic. `infra/attack_service.py` runs them."""
