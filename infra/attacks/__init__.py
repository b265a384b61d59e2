"""Attacks on the service, by subject; `infra/attack_service.py` runs them."""
