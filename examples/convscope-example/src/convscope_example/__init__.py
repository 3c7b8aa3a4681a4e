"""A plug-in of convscope: a technique, an objective and a network."""

from convscope_example.brightness import brightness as brightness
from convscope_example.color_loss import color_loss as color_loss
