"""`LabelEditor`: the labels of a recording on its waveforms, to be confirmed and mended."""

from bidilab.show.widgets.labelling.editor import LabelEditor

__all__ = ["LabelEditor"]
