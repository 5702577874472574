"""The ground floor: units, audio, intervals, clocks and errors. Imports nothing else of bidilab."""
