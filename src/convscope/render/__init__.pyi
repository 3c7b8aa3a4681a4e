# What other rooms may use of this one.
from .figure import draw as draw
from .html import fill_template as fill_template
