# What other rooms may use of this one.
from . import parts as parts
from .axes import Artist as Artist
from .axes import SomeAxes as SomeAxes
from .axes import draw_on as draw_on
from .figure import draw as draw
from .figure import draw_vector as draw_vector
from .html import fill_template as fill_template
from .html import is_page as is_page
from .pictures import map_picture as map_picture
