"""What a provider's detector does, from the positions that it tells: known audio in, settings out."""

from bidilab.lab.knobs.ask import probe_provider
from bidilab.lab.knobs.fit import DetectorFit, fit_detector
from bidilab.lab.knobs.speech import knob_speech
from bidilab.lab.knobs.told import ToldEdges

__all__ = ["DetectorFit", "ToldEdges", "fit_detector", "knob_speech", "probe_provider"]
