"""The text renderer: pictures of words in many scripts with exact labels, on disk or as an endless training set."""

from diffbin.data.synth.scene import Renderer
from diffbin.data.synth.settings import Synth
from diffbin.data.synth.sheet import contact_sheet
from diffbin.data.synth.writer import render_set

__all__ = ["Renderer", "Synth", "contact_sheet", "render_set"]
