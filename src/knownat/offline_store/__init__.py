"""Point-in-time joins as Feast offline stores, loaded by class path from `feature_store.yaml`."""
