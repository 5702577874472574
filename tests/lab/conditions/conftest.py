from tests.lab.sweep.conftest import bursts, bursts_folder, own_cache

__all__ = ["bursts", "bursts_folder", "own_cache"]
