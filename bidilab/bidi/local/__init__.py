"""The model that needs no network: ears, decisions and voice on this machine."""
