"""The agent runtime: sessions that can be interrupted. The only zone that runs asyncio tasks."""
