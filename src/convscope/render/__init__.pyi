# What other rooms may use of this one.
from .figure import draw as draw
