"""From a push to production and back, on real parts: one server, one fleet, one cloud for all stories."""
