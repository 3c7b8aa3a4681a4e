# What other rooms may use of this one.
from .calls import train_style as train_style
from .checkpoint import SHIPPED as SHIPPED
from .checkpoint import open_styles as open_styles
from .checkpoint import save_styles as save_styles
from .network import ConditionalNorm as ConditionalNorm
from .network import StyleNetwork as StyleNetwork
from .optimizing import Drawing as Drawing
from .optimizing import Method as Method
from .optimizing import Stroke as Stroke
from .optimizing import Style as Style
from .settings import Settings as Settings
from .training import Training as Training
