# What other rooms may use of this one.
from .figure import draw as draw
from .figure import draw_vector as draw_vector
from .html import fill_template as fill_template
